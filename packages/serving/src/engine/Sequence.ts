import type { History } from "@consilium/model"
import type { SequenceState } from "@consilium/scheduling"
import type { Degradation, Generate, RoutingTrace } from "../protocol.ts"

/** A beginning that another sequence is about to compute, and that this one will copy. */
export interface Awaited {
  readonly sequence: Sequence
  /** Positions that it will have computed by then. */
  readonly numHeld: number
}

/** A request inside the engine: from `submit` through waiting and running to its last token. */
export class Sequence implements SequenceState, History {
  readonly request: Generate
  /** Everything known: prompt, and what was generated. */
  readonly ids: number[]
  /** Prompt without what an earlier engine had generated. */
  readonly numPrompt: number
  /** Undefined while it waits, and once it has ended. */
  slotId: number | undefined
  /** What it waits for beside a free slot. */
  awaited: Awaited | undefined
  /** Positions whose state its slot holds. */
  numComputed = 0
  /** Positions that it did not have to compute. */
  numCached = 0
  readonly submittedMs: number
  startedMs: number
  firstTokenMs: number
  /** The epoch of experts that it is computed with. */
  epoch = 0
  /** Rungs of the failover ladder that it used. */
  readonly degraded: Degradation[] = []
  /** Routing that has not been sent yet. */
  trace: RoutingTrace | undefined

  constructor(request: Generate, nowMs: number) {
    this.request = request
    this.ids = [...request.ids]
    this.numPrompt = request.ids.length - request.resumeFrom
    this.submittedMs = nowMs
    this.startedMs = nowMs
    this.firstTokenMs = nowMs
  }

  /** Notes rungs, each once. */
  note(rungs: readonly Degradation[]): void {
    for (const rung of rungs) {
      const isKnown = this.degraded.some(
        (known) => known.layer === rung.layer && known.expertId === rung.expertId && known.rung === rung.rung,
      )
      if (!isKnown) this.degraded.push(rung)
    }
  }

  get numKnown(): number {
    return this.ids.length
  }

  /** How many ids have been generated, by this engine and those before it. */
  get numGenerated(): number {
    return this.ids.length - this.numPrompt
  }
}
