import {
  type Arena,
  type Backend,
  composeBackends,
  createReferenceBackend,
  createX64Backend,
  failedCases,
  runnableIsas,
} from "@consilium/kernels"
import { chooseFaster, chooseGpu, type ChosenTier, type GpuChoice } from "./chooseGpu.ts"
import { chooseX64, type ChosenBackend } from "./chooseX64.ts"
import type { EngineStart } from "./EngineStart.ts"
import { mayHaveGpu } from "./mayHaveGpu.ts"

type Wanted = Pick<EngineStart, "backend" | "numThreads" | "gpuMemoryBytes"> &
  Partial<Pick<EngineStart, "isTested" | "enablesFaults">> &
  Pick<GpuChoice, "onDeviceChange" | "openGpu">

/**
 * Creates the backend that was asked for, or the fastest one that passes its self-test: a GPU where it is measured to be faster than the processor, machine code, then
 * onnxruntime, then plain loops.
 *
 * @throws Error where the one that was asked for cannot run here, in its own words
 */
export async function chooseBackend(arena: Arena, wanted: Wanted): Promise<ChosenBackend | ChosenTier> {
  const reference = createReferenceBackend(arena)
  const { backend, isTested = false } = wanted
  const choice: GpuChoice = { ...wanted, arena, reference, isTested }
  if (backend === "gpu") return chooseGpu(choice, () => chooseHome(arena, reference, { ...wanted, backend: "auto" }))
  const home = await chooseHome(arena, reference, { ...wanted, backend })
  const wantsGpu = backend === "auto" && (wanted.openGpu !== undefined || mayHaveGpu())
  return wantsGpu ? chooseFaster(choice, home) : home
}

/** Creates the processor's own backend. */
async function chooseHome(
  arena: Arena,
  reference: Backend,
  { backend: wanted, numThreads, isTested = false }: Wanted & { readonly backend: Exclude<Wanted["backend"], "gpu"> },
): Promise<ChosenBackend> {
  if (wanted === "reference") return { backend: reference, reason: "reference: as asked", isSecondBest: false }
  const openOnnx = (): Promise<Backend> => openTestedOnnx(arena, reference, numThreads, isTested)
  if (wanted !== "onnx") {
    const isas = runnableIsas()
    const openX64 = (isa: (typeof isas)[number]): Backend => createX64Backend(arena, { isa, numThreads })
    if (isas.length > 0) return chooseX64(arena, reference, isas, { openX64, openOnnx, isTested })
    if (wanted === "x64")
      throw new Error(
        "the x64 backend cannot run here: it wants Linux on x64 with AVX2, and leave to make code; try --backend onnx",
      )
  }
  try {
    const reason = `onnx: ${wanted === "onnx" ? "as asked" : "passed its self-test"}`
    return { backend: await openOnnx(), reason, isSecondBest: false }
  } catch (error) {
    const { message } = error as Error
    if (wanted === "onnx")
      throw new Error(`the onnx backend cannot run here: ${message}; try --backend reference`, {
        cause: error,
      })
    return {
      backend: reference,
      reason: `reference: onnx failed (${message})`,
      isSecondBest: true,
    }
  }
}

/** onnxruntime is loaded only where it is needed: it is large. What it does not support goes to the reference. */
async function openTestedOnnx(
  arena: Arena,
  reference: Backend,
  numThreads: number,
  isTested: boolean,
): Promise<Backend> {
  const { createOnnxBackend } = await import("@consilium/onnx")
  const backend = composeBackends(arena, [createOnnxBackend(arena, { numThreads }), reference])
  const [failed] = isTested ? [] : failedCases(backend, reference)
  if (failed === undefined) return backend
  backend.close()
  throw new Error(`self-test: ${failed.problem}`)
}
