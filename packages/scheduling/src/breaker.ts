/** A circuit breaker as data: *closed* lets work through, *open* keeps it away until a probe is due, *half-open* waits for the probe's outcome. */
export type Breaker =
  | {
      readonly state: "closed"
      readonly numFailures: number
      readonly lastFailureMs: number
      readonly numTrips: number
    }
  | {
      readonly state: "open" | "half-open"
      readonly numFailures: number
      /** How often in a row it has opened: each time the next probe is later. */
      readonly numTrips: number
      readonly sinceMs: number
      readonly reason: string
      readonly nextProbeMs: number
    }

/** Time to the first probe; doubles with each that fails. */
const FIRST_PROBE_MS = 1000
const LAST_PROBE_MS = 5 * 60_000
/** After so long without a failure it is as good as new. */
const FORGIVEN_MS = 10 * 60_000

export const CLOSED: Breaker = {
  state: "closed",
  numFailures: 0,
  lastFailureMs: Number.NEGATIVE_INFINITY,
  numTrips: 0,
}

/** Counts a failure that did not put the work elsewhere: it was tried again and went well. */
export function countFailure(breaker: Breaker, nowMs: number): Breaker {
  if (breaker.state !== "closed") return { ...breaker, numFailures: breaker.numFailures + 1 }
  const numTrips = nowMs - breaker.lastFailureMs > FORGIVEN_MS ? 0 : breaker.numTrips
  return { state: "closed", numFailures: breaker.numFailures + 1, lastFailureMs: nowMs, numTrips }
}

/** Opens: what failed is kept away until a probe. */
export function trip(breaker: Breaker, nowMs: number, reason: string): Breaker {
  const numTrips = breaker.numTrips + 1
  const waitMs = Math.min(LAST_PROBE_MS, FIRST_PROBE_MS * 2 ** (numTrips - 1))
  const sinceMs = breaker.state === "closed" ? nowMs : breaker.sinceMs
  return {
    state: "open",
    numFailures: breaker.numFailures,
    numTrips,
    sinceMs,
    reason,
    nextProbeMs: nowMs + waitMs,
  }
}

/** Returns the breaker half-open where a probe is due, else as it is. */
export function dueProbe(breaker: Breaker, nowMs: number): Breaker {
  return breaker.state === "open" && nowMs >= breaker.nextProbeMs ? { ...breaker, state: "half-open" } : breaker
}

/** Takes in how a probe went: closes, or opens for longer. @throws Error unless one was due */
export function settleProbe(breaker: Breaker, isWell: boolean, nowMs: number, reason: string): Breaker {
  if (breaker.state !== "half-open") throw new Error(`a probe of a breaker that is ${breaker.state}`)
  if (!isWell) return trip(breaker, nowMs, reason)
  return {
    state: "closed",
    numFailures: breaker.numFailures,
    lastFailureMs: nowMs,
    numTrips: breaker.numTrips,
  }
}
