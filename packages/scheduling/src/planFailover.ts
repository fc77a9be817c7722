/** The rungs of the failover ladder, first to last. */
const RUNGS = ["replica", "reload", "backend", "reroute", "shared-only"] as const
export type Rung = (typeof RUNGS)[number]

/** What is known of an expert that has just failed in a step. */
export interface FailoverState {
  /** Rungs that were climbed for it since the step began, or that it stands on since earlier. */
  readonly climbed: readonly Rung[]
  /** Another copy of it that has not failed is in memory. */
  readonly hasReplica: boolean
  /** Its bytes can be read again. */
  readonly hasFile: boolean
  /** Another backend takes its slab. */
  readonly hasOtherBackend: boolean
  /** Experts of its layer that are left without it. */
  readonly numOthers: number
  readonly topK: number
  readonly hasSharedExpert: boolean
  /** Whether answers may become others than the model's own: rungs past `backend`. */
  readonly allowsOtherText: boolean
}

/**
 * Returns the next rung for an expert that failed, undefined where there is none: the request fails.
 *
 * Each rung is climbed once. The first two give the same bits again, the third the same within the backends' tolerance, the last two change the text. Routing
 * around it needs as many others as a token visits.
 *
 * @see DESIGN.md §4
 */
export function planFailover(state: FailoverState): Rung | undefined {
  const { climbed, numOthers, topK, allowsOtherText } = state
  const isPossible: Record<Rung, boolean> = {
    replica: state.hasReplica,
    reload: state.hasFile,
    backend: state.hasOtherBackend && state.hasFile,
    reroute: allowsOtherText && numOthers >= topK,
    "shared-only": allowsOtherText && state.hasSharedExpert,
  }
  const from = climbed.reduce((next, rung) => Math.max(next, RUNGS.indexOf(rung) + 1), 0)
  return RUNGS.find((rung, r) => r >= from && isPossible[rung])
}
