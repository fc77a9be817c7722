import { createArena, findMemoryDomains } from "@consilium/kernels"
import type { DeviceTier } from "@consilium/gpu"
import {
  createTransformer,
  formatsName,
  mostExpertsPerToken,
  openPreparedModel,
  stateBytesPerPosition,
  weightBytes,
} from "@consilium/model"
import { createEngineExperts, type EngineExperts, type EngineExpertsOptions } from "../store/createEngineExperts.ts"
import { chooseBackend } from "./chooseBackend.ts"
import type { EngineStart } from "./EngineStart.ts"
import type { StepModel } from "./StepModel.ts"
import { expertBudget, measureReserve, planContext } from "./planMemory.ts"

/** A model that is ready for steps. */
export interface EngineModel {
  readonly model: StepModel
  /** Its name. */
  readonly backend: string
  /** Undefined where no layer has a router. */
  readonly experts: EngineExperts | undefined
  /** Undefined where no GPU computes. */
  readonly device: DeviceTier | undefined
  /** Bytes of all weights, awake or asleep. */
  readonly weightBytes: number
  /** As `formatsName` gives it. */
  readonly format: string
  /** Which backend, and why. */
  readonly reason: string
  readonly isSecondBest: boolean
  close(): void
}

/** Rows of the largest step: prefill beyond it comes in chunks. */
const MAX_ROWS = 512

/**
 * Loads a prepared model within the memory setting.
 *
 * @throws Error in one line: weights or context that do not fit, a damaged prepared model, a backend that cannot run
 */
export async function loadEngineModel(
  start: EngineStart,
  onProgress: (done: number, total: number) => void,
  listeners: Pick<EngineExpertsOptions, "onChange" | "onQuarantine">,
): Promise<EngineModel> {
  const prepared = openPreparedModel(start.preparedDir, start.sourceDir)
  const arena = createArena({
    limitBytes: start.memoryBytes,
    domains: findMemoryDomains(start.memoryDomains),
    ...(start.debug >= 1 ? { onUnbound: console.error } : {}),
  })
  const releases = [() => prepared.close(), () => arena.close()]
  const close = (): void => {
    for (const release of releases.splice(0).reverse()) release()
  }
  try {
    const numBytes = weightBytes(prepared)
    const reserveBytes = measureReserve()
    const onDeviceChange = (detail: string): void =>
      listeners.onChange({ atMs: Date.now(), layer: 0, expert: 0, change: "device", detail })
    const chosen = await chooseBackend(arena, { ...start, onDeviceChange })
    const { backend } = chosen
    const tiered = "tiered" in chosen ? chosen.tiered : undefined
    releases.push(() => backend.close())
    const capacity = planContext(prepared, start, reserveBytes, backend)
    const { numSlots } = start
    const maxRows = Math.max(numSlots, Math.min(MAX_ROWS, capacity))
    const experts =
      numBytes.experts === 0
        ? undefined
        : createEngineExperts(prepared, backend, {
            enablesFaults: start.enablesFaults,
            idleMs: start.expertIdleMs ?? Number.POSITIVE_INFINITY,
            allowsOtherText: start.allowsOtherText,
            routing: start.routing,
            maxRows,
            nowMs: Date.now,
            ...(tiered === undefined ? {} : { tiered }),
            ...listeners,
          })
    if (experts !== undefined) releases.push(() => experts.close())
    const denseBytes = numBytes.all - numBytes.experts
    const stateBytes = stateBytesPerPosition(prepared, backend) * capacity * numSlots
    tiered?.reserveState(stateBytes)
    const usedBefore = arena.usedBytes
    const transformer = createTransformer({
      prepared,
      backend,
      numSlots,
      capacity,
      maxRows,
      onProgress: (done) => onProgress(done, numBytes.all),
      ...(experts === undefined ? {} : { experts }),
    })
    releases.push(() => transformer.close())
    if (tiered !== undefined) {
      tiered.prepare(maxRows * mostExpertsPerToken(prepared.config), prepared.config.hiddenSize)
      tiered.tier.reserve(Math.max(0, arena.usedBytes - usedBefore - denseBytes - stateBytes))
    }
    experts?.start(expertBudget(prepared, start.memoryBytes, reserveBytes, arena), {
      isRestart: start.isRestart,
      onProgress: (done) => onProgress(denseBytes + done, numBytes.all),
    })
    experts?.desire(start.desired)
    return {
      model: { ...transformer, expertBytes: (layer) => prepared.layers[layer]!.experts[0]!.bytes },
      backend: backend.name,
      experts,
      device: tiered?.tier,
      weightBytes: numBytes.all,
      format: formatsName(prepared),
      reason: chosen.reason,
      isSecondBest: chosen.isSecondBest,
      close,
    }
  } catch (error) {
    close()
    throw error
  }
}
