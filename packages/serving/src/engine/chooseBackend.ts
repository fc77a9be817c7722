import {
  type Arena,
  type Backend,
  composeBackends,
  createReferenceBackend,
  createX64Backend,
  type FailedCase,
  failedCases,
  type Isa,
  runnableIsas,
  withoutFailed,
} from "@consilium/kernels"
import type { EngineStart } from "./EngineStart.ts"

/** A backend, and the line that says why it was chosen. */
export interface ChosenBackend {
  readonly backend: Backend
  readonly reason: string
}

type Wanted = Pick<EngineStart, "backend" | "numThreads">

/**
 * Creates the backend that was asked for, or the fastest one that passes its self-test: machine code, then onnxruntime, then plain loops.
 *
 * @throws Error where the one that was asked for cannot run here, in its own words
 */
export async function chooseBackend(arena: Arena, { backend: wanted, numThreads }: Wanted): Promise<ChosenBackend> {
  const reference = createReferenceBackend(arena)
  if (wanted === "reference") return { backend: reference, reason: "reference: as asked" }
  if (wanted !== "onnx") {
    const isas = runnableIsas()
    if (isas.length > 0) return chooseX64(arena, isas, reference, numThreads)
    if (wanted === "x64")
      throw new Error(
        "the x64 backend cannot run here: it wants Linux on x64 with AVX2, and leave to make code; try --backend onnx",
      )
  }
  try {
    return {
      backend: await openOnnx(arena, reference, numThreads),
      reason: `onnx: ${wanted === "onnx" ? "as asked" : "passed its self-test"}`,
    }
  } catch (error) {
    const { message } = error as Error
    if (wanted === "onnx")
      throw new Error(`the onnx backend cannot run here: ${message}; try --backend reference`, { cause: error })
    return { backend: reference, reason: `reference: onnx failed (${message})` }
  }
}

/** The best instruction set whose kernels all pass; where none does, the best one without what failed, which goes to onnx. */
async function chooseX64(
  arena: Arena,
  isas: readonly Isa[],
  reference: Backend,
  numThreads: number,
): Promise<ChosenBackend> {
  let first: readonly FailedCase[] | undefined
  for (const isa of isas) {
    const x64 = createX64Backend(arena, { isa, numThreads })
    const failed = failedCases(x64, reference)
    if (failed.length === 0)
      return { backend: composeBackends(arena, [x64, reference]), reason: `x64 (${isa.name}): passed its self-test` }
    x64.close()
    first ??= failed
  }
  const [isa] = isas
  const failed = first!
  const x64 = withoutFailed(
    createX64Backend(arena, { isa: isa!, numThreads }),
    failed.map(({ item }) => item),
  )
  const others = await openOnnx(arena, reference, numThreads).then(
    (onnx) => [onnx],
    () => [reference],
  )
  const ops = [...new Set(failed.map(({ item }) => `${item.op} ${item.format}`))].join(", ")
  return {
    backend: composeBackends(arena, [x64, ...others]),
    reason: `x64 (${isa!.name}) without ${ops}, for which ${others[0]!.name} stands in: ${failed[0]!.problem}`,
  }
}

/** onnxruntime is loaded only where it is needed: it is large. What it does not support goes to the reference. */
async function openOnnx(arena: Arena, reference: Backend, numThreads: number): Promise<Backend> {
  const { createOnnxBackend } = await import("@consilium/onnx")
  const backend = composeBackends(arena, [createOnnxBackend(arena, { numThreads }), reference])
  const [failed] = failedCases(backend, reference)
  if (failed === undefined) return backend
  backend.close()
  throw new Error(`self-test: ${failed.problem}`)
}
