import type { Tensor } from "onnxruntime-common"
import { binding, initOrt } from "onnxruntime-node/dist/binding.js"
import { sessionOptions } from "./Session.ts"

/** What enters or leaves a model that somebody else made. */
export interface ForeignTensor {
  readonly name: string
  /** `other` is what we neither feed nor read. */
  readonly type: "f32" | "f16" | "i32" | "i64" | "other"
  /** -1 where a dimension is known at run time only. */
  readonly shape: readonly number[]
}

/** A model that somebody else made, as onnxruntime sees it. */
export interface ForeignModel {
  readonly inputs: readonly ForeignTensor[]
  readonly outputs: readonly ForeignTensor[]
  /**
   * Returns the outputs that `fetches` names, written into its tensors, or in memory of their own where it has none.
   *
   * @throws Error in onnxruntime's own words
   */
  run(
    feeds: Readonly<Record<string, Tensor>>,
    fetches: Readonly<Record<string, Tensor | null>>,
  ): Readonly<Record<string, Tensor>>
  close(): void
}

const TYPES: Readonly<Record<number, ForeignTensor["type"]>> = { 1: "f32", 6: "i32", 7: "i64", 10: "f16" }

/** Opens a user's ONNX file; weights in a file beside it are found. @throws Error in onnxruntime's own words */
export function openForeignModel(path: string, numThreads: number): ForeignModel {
  initOrt()
  const session = new binding.InferenceSession()
  session.loadModel(path, sessionOptions(numThreads))
  const describe = (values: typeof session.inputMetadata): readonly ForeignTensor[] =>
    values.map(({ name, isTensor, type, shape }) => ({
      name,
      type: (isTensor ? TYPES[type] : undefined) ?? "other",
      shape: isTensor ? shape : [],
    }))
  return {
    inputs: describe(session.inputMetadata),
    outputs: describe(session.outputMetadata),
    run: (feeds, fetches) => session.run(feeds, fetches, {}),
    close: () => session.dispose(),
  }
}
