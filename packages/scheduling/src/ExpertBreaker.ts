import { hash32 } from "@consilium/tensor"

/** Closed: it runs. Open: quarantined until the next probe is due. Half-open: a probe is under way. */
export type BreakerState = "closed" | "open" | "half-open"

/** Whose breaker it is; without `replica`, all copies'. */
export interface BreakerSubject {
  readonly layer: number
  readonly expertId: number
  readonly replica?: number
}

export interface BreakerEvent {
  readonly atMs: number
  readonly state: BreakerState
  readonly why: string
}

/** The health of an expert or of one copy of it: a value, replaced at each transition. */
export interface ExpertBreaker extends BreakerSubject {
  readonly state: BreakerState
  /** When it came into this state. */
  readonly sinceMs: number
  /** What the last failure was; undefined before the first. */
  readonly why: string | undefined
  /** Since it was made. */
  readonly numFailures: number
  /** Failures that count towards opening: forgotten when it opens, and after a quiet time. */
  readonly numRecent: number
  /** How often it opened without a quiet time in between: what the back-off grows with. */
  readonly numOpenings: number
  readonly lastFailureMs: number
  /** Not before; undefined unless open. */
  readonly nextProbeMs: number | undefined
  /** Transitions and failures, newest last, at most 16. */
  readonly history: readonly BreakerEvent[]
}

export interface BreakerPolicy {
  /** So many failures without a quiet time between them open it. */
  readonly maxFailures: number
  /** The first wait for a probe; each further one is twice as long. */
  readonly firstBackoffMs: number
  readonly mostBackoffMs: number
  /** Up to this share is added to a wait, so that experts which failed together are not probed together; 0 is none. */
  readonly jitter: number
  readonly seed: number
  /** After so long without a failure while closed, what was before is forgiven. */
  readonly quietMs: number
}

export const BREAKER_POLICY: BreakerPolicy = {
  maxFailures: 1,
  firstBackoffMs: 250,
  mostBackoffMs: 300_000,
  jitter: 0.1,
  seed: 1,
  quietMs: 600_000,
}
const MOST_EVENTS = 16

/** Returns a closed breaker without a past. */
export function createBreaker(subject: BreakerSubject, nowMs: number): ExpertBreaker {
  return {
    ...subject,
    state: "closed",
    sinceMs: nowMs,
    why: undefined,
    numFailures: 0,
    numRecent: 0,
    numOpenings: 0,
    lastFailureMs: nowMs,
    nextProbeMs: undefined,
    history: [],
  }
}

/**
 * Returns the breaker after a failure: open, with twice the wait of the last time, or still closed where failures are few.
 *
 * While it is open, a failure is what was already running when it opened: it is counted, and puts nothing off.
 */
export function noteFailure(
  breaker: ExpertBreaker,
  why: string,
  nowMs: number,
  policy: BreakerPolicy = BREAKER_POLICY,
): ExpertBreaker {
  const isForgiven = breaker.state === "closed" && nowMs - breaker.lastFailureMs >= policy.quietMs
  const numRecent = (isForgiven ? 0 : breaker.numRecent) + 1
  const failed = { ...breaker, why, numFailures: breaker.numFailures + 1, numRecent, lastFailureMs: nowMs }
  const opens = breaker.state === "half-open" || (breaker.state === "closed" && numRecent >= policy.maxFailures)
  if (!opens) return withEvent(failed, why, nowMs)

  const numOpenings = (isForgiven ? 0 : breaker.numOpenings) + 1
  const opened: ExpertBreaker = { ...failed, state: "open", sinceMs: nowMs, numRecent: 0, numOpenings }
  return withEvent({ ...opened, nextProbeMs: nowMs + backoffMs(opened, policy) }, why, nowMs)
}

/** Returns the breaker of one that was put away before this process began: open, its next probe as far off as if it had just failed. */
export function reopenBreaker(
  subject: BreakerSubject,
  { why, sinceMs, numOpenings }: Pick<ExpertBreaker, "sinceMs" | "numOpenings"> & { readonly why: string },
  nowMs: number,
): ExpertBreaker {
  const failed = { ...createBreaker(subject, nowMs), numOpenings: numOpenings - 1 }
  return { ...noteFailure(failed, why, nowMs), sinceMs }
}

/** Returns the breaker half-open where a probe is due, and otherwise the same object: whoever sees another one runs the probe. */
export function beginProbe(breaker: ExpertBreaker, nowMs: number): ExpertBreaker {
  if (breaker.state !== "open" || nowMs < breaker.nextProbeMs!) return breaker
  return withEvent({ ...breaker, state: "half-open", sinceMs: nowMs, nextProbeMs: undefined }, "probe due", nowMs)
}

/**
 * Returns the breaker closed after a probe that passed; the same object unless it was half-open: what an open one still finishes readmits nobody.
 *
 * How often it opened is forgotten only after a quiet time, so that an expert which fails soon after every probe waits longer each time.
 */
export function noteProbePassed(breaker: ExpertBreaker, nowMs: number): ExpertBreaker {
  if (breaker.state !== "half-open") return breaker
  return withEvent({ ...breaker, state: "closed", sinceMs: nowMs, numRecent: 0 }, "probe passed", nowMs)
}

/**
 * Returns the breaker after a success that nobody asked for as a probe: failures before it no longer count towards opening; the same object where
 * there are none, or it is not closed. For experts of which each call is a test, so that only failures in a row open it.
 */
export function noteSuccess(breaker: ExpertBreaker): ExpertBreaker {
  return breaker.state === "closed" && breaker.numRecent > 0 ? { ...breaker, numRecent: 0 } : breaker
}

function backoffMs(breaker: ExpertBreaker, { firstBackoffMs, mostBackoffMs, jitter, seed }: BreakerPolicy): number {
  const { layer, expertId, replica = -1, numOpenings } = breaker
  const hash = [layer, expertId, replica, numOpenings].reduce((mixed, part) => hash32(mixed ^ part), hash32(seed))
  const waitMs = Math.min(mostBackoffMs, firstBackoffMs * 2 ** (numOpenings - 1))
  return waitMs * (1 + (jitter * hash) / 2 ** 32)
}

function withEvent(breaker: ExpertBreaker, why: string, atMs: number): ExpertBreaker {
  const history = [...breaker.history.slice(1 - MOST_EVENTS), { atMs, state: breaker.state, why }]
  return { ...breaker, history }
}
