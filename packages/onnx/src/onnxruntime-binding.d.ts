/** The part of onnxruntime-node's inner binding that we use; the package ships no types for it. */
declare module "onnxruntime-node/dist/binding.js" {
  import type { Tensor } from "onnxruntime-common"

  interface NativeValue {
    readonly name: string
    readonly isTensor: boolean
    /** ONNX' number of the element type. */
    readonly type: number
    /** -1 where a dimension is known at run time only. */
    readonly shape: readonly number[]
  }

  interface NativeSession {
    readonly inputMetadata: readonly NativeValue[]
    readonly outputMetadata: readonly NativeValue[]
    /** From a file, which finds weights beside it. */
    loadModel(path: string, options: Readonly<Record<string, unknown>>): void
    loadModel(
      buffer: ArrayBuffer,
      byteOffset: number,
      byteLength: number,
      options: Readonly<Record<string, unknown>>,
    ): void
    run(
      feeds: Readonly<Record<string, Tensor>>,
      fetches: Readonly<Record<string, Tensor | null>>,
      options: Readonly<Record<string, unknown>>,
    ): Record<string, Tensor>
    dispose(): void
  }
  export const binding: { readonly InferenceSession: new () => NativeSession }
  export const initOrt: () => void
}
