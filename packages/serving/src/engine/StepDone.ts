import type { EngineEvent } from "../protocol.ts"

/** Where a step's time went, in milliseconds. */
interface StepTimes {
  /** Admitting, planning, filling the batch. */
  readonly planMs: number
  /** The model's forward pass. */
  readonly runMs: number
  /** Of it, its kernels; 0 where the backend does not count them. */
  readonly kernelMs: number
  readonly sampleMs: number
  /** Advancing lengths, making events. */
  readonly applyMs: number
}

/** A step that was applied. */
export interface StepDone {
  readonly type: "done"
  readonly events: readonly EngineEvent[]
  readonly numRows: number
  /** Of these, rows of sequences that decode; the others are prefill. */
  readonly numDecoding: number
  readonly times: StepTimes
}
