import { type Arena, type Backend, checkBackend, composeBackends, createReferenceBackend } from "@consilium/kernels"
import { createOnnxBackend } from "@consilium/onnx"
import type { EngineStart } from "./EngineStart.ts"

/** A backend, and the line that says why it was chosen. */
export interface ChosenBackend {
  readonly backend: Backend
  readonly reason: string
}

/**
 * Creates the backend that was asked for, or the best one that passes its self-test.
 *
 * @throws Error where the one that was asked for cannot run here, in its own words
 */
export function chooseBackend(
  arena: Arena,
  { backend: wanted, numThreads }: Pick<EngineStart, "backend" | "numThreads">,
): ChosenBackend {
  if (wanted === "reference") return { backend: createReferenceBackend(arena), reason: "reference: as asked" }
  try {
    const reference = createReferenceBackend(arena)
    // What onnx does not support goes to the reference.
    const backend = composeBackends(arena, [createOnnxBackend(arena, { numThreads }), reference])
    const [failure] = checkBackend(backend, reference)
    if (failure === undefined)
      return { backend, reason: `onnx: ${wanted === "onnx" ? "as asked" : "passed its self-test"}` }
    backend.close()
    throw new Error(`self-test: ${failure}`)
  } catch (error) {
    const { message } = error as Error
    if (wanted === "onnx")
      throw new Error(`the onnx backend cannot run here: ${message}; try --backend reference`, { cause: error })
    return { backend: createReferenceBackend(arena), reason: `reference: onnx failed (${message})` }
  }
}
