import type { GpuAdapterInfo, GpuBackend, TieredBackend } from "@consilium/gpu"
import { type Arena, BACKEND_CASES, type Backend, checkCase, failedCases } from "@consilium/kernels"
import { BREAKER_POLICY, type BreakerPolicy } from "@consilium/scheduling"
import { compareSpeeds, isFaster, measureBackend } from "./measureBackend.ts"
import type { ChosenBackend } from "./chooseX64.ts"

/** What a GPU is chosen by. */
export interface GpuChoice {
  readonly arena: Arena
  readonly reference: Backend
  /** An engine before this one passed the self-test. */
  readonly isTested: boolean
  /** Most bytes of the GPU's memory; all of it unless given. */
  readonly gpuMemoryBytes?: number
  /** A GPU is lost on purpose, again and again. */
  readonly enablesFaults?: boolean
  /** Told of a GPU that is lost, and of one that is back. */
  readonly onDeviceChange?: (detail: string) => void
  /** Opens a GPU; whatever the system has unless given. */
  readonly openGpu?: () => Promise<GpuBackend>
}

/** Faults that are injected say nothing of the device: it is soon tried again, however many there were. */
const INJECTED: BreakerPolicy = { ...BREAKER_POLICY, mostBackoffMs: 500 }

/** A backend over a GPU and the processor. */
export interface ChosenTier extends ChosenBackend {
  readonly tiered: TieredBackend
}

/**
 * Opens the GPU, and beside it the processor's own backend for what the GPU does not hold.
 *
 * @param openHome creates what computes the rest; it is closed with the backend, or where there is no GPU
 * @throws Error where the GPU cannot be used, in one line that says which and why
 */
export async function chooseGpu(choice: GpuChoice, openHome: () => Promise<ChosenBackend>): Promise<ChosenTier> {
  let gpu: GpuBackend | undefined
  try {
    gpu = await openTested(choice)
    const home = await openHome()
    const reason = `gpu (${await wordsOf(gpu.adapter)}): as asked; the rest by ${home.reason}`
    return await createTier(choice, gpu, home, reason)
  } catch (error) {
    gpu?.close()
    throw new Error(`the gpu backend cannot run here: ${(error as Error).message}; try --backend auto`, {
      cause: error,
    })
  }
}

/**
 * Returns the GPU beside the processor's own backend where it computes faster by a measurement of both; else that backend alone, with why in its reason. An adapter that
 * is software never is.
 */
export async function chooseFaster(choice: GpuChoice, home: ChosenBackend): Promise<ChosenBackend | ChosenTier> {
  let gpu: GpuBackend | undefined
  const without = (why: string): ChosenBackend => {
    gpu?.close()
    return { ...home, reason: `${home.reason}; no gpu: ${why}` }
  }
  try {
    const opened = await (choice.openGpu ?? openGpuOf(choice))()
    gpu = opened
    const { name, isSoftware } = opened.adapter
    if (isSoftware) return without(`${name} is computed by the processor`)
    refuseWrong(choice, opened)
    const [theirs, own] = [measureBackend(opened), measureBackend(home.backend)]
    const figures = compareSpeeds(theirs, own)
    if (!isFaster(theirs, own)) return without(`${name} is slower, ${figures}`)
    return await createTier(
      choice,
      opened,
      home,
      `gpu (${await wordsOf(opened.adapter)}): faster, ${figures}; the rest by ${home.reason}`,
    )
  } catch (error) {
    return without((error as Error).message)
  }
}

/** What an adapter is, and what its kernels use. */
async function wordsOf({ name, isSoftware, features }: GpuAdapterInfo): Promise<string> {
  const words = (await import("@consilium/gpu")).featureWords(features)
  const more = [isSoftware && "computed by the processor", words && `with ${words}`]
  return [name, ...more].filter(Boolean).join(", ")
}

/** Loaded only where it is asked for: it is large. */
function openGpuOf({ arena }: GpuChoice): () => Promise<GpuBackend> {
  return async () => (await import("@consilium/gpu")).createGpuBackend(arena)
}

async function openTested(choice: GpuChoice): Promise<GpuBackend> {
  const gpu = await (choice.openGpu ?? openGpuOf(choice))()
  try {
    refuseWrong(choice, gpu)
    return gpu
  } catch (error) {
    gpu.close()
    throw error
  }
}

/** @throws Error where it computes a case wrongly */
function refuseWrong({ isTested, reference }: GpuChoice, gpu: GpuBackend): void {
  const [failed] = isTested ? [] : failedCases(gpu, reference)
  if (failed !== undefined) throw new Error(`self-test of ${gpu.adapter.name}: ${failed.problem}`)
}

async function createTier(
  { reference, gpuMemoryBytes = Number.POSITIVE_INFINITY, enablesFaults = false, onDeviceChange = () => {} }: GpuChoice,
  gpu: GpuBackend,
  { backend: home, isSecondBest }: ChosenBackend,
  reason: string,
): Promise<ChosenTier> {
  const { createTieredBackend } = await import("@consilium/gpu")
  const known = BACKEND_CASES.find(({ op, format }) => op === "expert" && format === "int8")!
  const tiered = createTieredBackend(gpu, home, {
    budgetBytes: gpuMemoryBytes,
    nowMs: Date.now,
    probe: () => checkCase(known, gpu, reference),
    onChange: onDeviceChange,
    policy: enablesFaults ? INJECTED : BREAKER_POLICY,
  })
  return { backend: tiered, tiered, reason, isSecondBest }
}
