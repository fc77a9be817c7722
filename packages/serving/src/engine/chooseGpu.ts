import { type Arena, type Backend, composeBackends, failedCases } from "@consilium/kernels"
import type { ChosenBackend } from "./chooseX64.ts"

/**
 * Opens the GPU for products and experts, and the processor's own backend for the rest.
 *
 * @param openRest creates what computes the rest; it is closed with the backend, or where there is no GPU
 * @throws Error where the GPU cannot be used, in one line that says which and why
 */
export async function chooseGpu(
  arena: Arena,
  reference: Backend,
  openRest: () => Promise<ChosenBackend>,
  isTested: boolean,
): Promise<ChosenBackend> {
  // Loaded only where it is asked for: it is large.
  const { createGpuBackend } = await import("@consilium/gpu")
  let opened: Backend | undefined
  try {
    const gpu = createGpuBackend(arena)
    opened = gpu
    const [failed] = isTested ? [] : failedCases(gpu, reference)
    if (failed !== undefined) throw new Error(`self-test of ${gpu.adapter.name}: ${failed.problem}`)
    const rest = await openRest()
    const { name, isSoftware } = gpu.adapter
    const reason = `gpu (${name}${isSoftware ? ", computed by the processor" : ""}): as asked; the rest by ${rest.reason}`
    return { backend: composeBackends(arena, [gpu, rest.backend]), reason, isSecondBest: rest.isSecondBest }
  } catch (error) {
    opened?.close()
    throw new Error(`the gpu backend cannot run here: ${(error as Error).message}; try --backend auto`, {
      cause: error,
    })
  }
}
