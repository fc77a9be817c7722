import {
  beginProbe,
  type BreakerPolicy,
  createBreaker,
  type ExpertBreaker,
  noteFailure,
  noteProbePassed,
  noteSuccess,
} from "@consilium/scheduling"
import type { ExpertLimits } from "../config/FleetConfig.ts"
import { countsAgainst, type ExpertFailure } from "../ExpertFailure.ts"

/** How the health of an expert stands now, as operators see it. */
export interface ExpertHealthReport {
  readonly breaker: Omit<ExpertBreaker, "layer" | "expertId" | "replica">
  /** It asked to be left alone until then. */
  readonly pausedUntilMs: number | undefined
  readonly numAnswering: number
  readonly numAnswered: number
  readonly numFailed: number
  readonly requestsOfMinute: number
  /** Usual time to its first text; 0 before the first. */
  readonly latencyMs: number
}

/** Why an expert cannot be asked now. */
interface Hindrance {
  readonly why: "cooling down" | "paused" | "busy"
  /** When asking again makes sense; undefined where nobody knows. */
  readonly untilMs: number | undefined
}

/** One attempt that has begun; it ends once, one way or the other. */
export interface AdmittedAttempt {
  succeeded(ttftMs: number, nowMs: number): void
  failed(failure: ExpertFailure, nowMs: number): void
  /** Its asker left, or somebody else was faster: it says nothing about the expert. */
  abandoned(): void
}

/** The health and the load of the fleet's experts, by place. */
export interface FleetHealth {
  hindrance(place: number, nowMs: number): Hindrance | undefined
  /** Begins an attempt; one that a cool-down ends with is the probe, and there is one of these at a time. */
  admit(place: number, nowMs: number): AdmittedAttempt
  numAnswering(place: number): number
  latencyMs(place: number): number
  report(place: number, nowMs: number): ExpertHealthReport
}

const MINUTE_MS = 60_000
/** What the newest latency counts. */
const LATENCY_WEIGHT = 0.2
/** Where a refusal for too many requests says no time. */
const USUAL_PAUSE_MS = 1000
const MOST_PAUSE_MS = 600_000

interface Subject {
  readonly limits: ExpertLimits
  breaker: ExpertBreaker
  pausedUntilMs: number
  numAnswering: number
  numAnswered: number
  numFailed: number
  latencyMs: number
  /** When the attempts of the last minute began, oldest first. */
  readonly began: number[]
}

/** @param limits of each expert, by place */
export function createFleetHealth(limits: readonly ExpertLimits[], policy: BreakerPolicy, nowMs: number): FleetHealth {
  const subjects = limits.map((own, expertId) => createSubject(own, expertId, nowMs))
  return {
    hindrance: (place, now) => hindranceOf(subjects[place]!, now),
    admit: (place, now) => admit(subjects[place]!, policy, now),
    numAnswering: (place) => subjects[place]!.numAnswering,
    latencyMs: (place) => subjects[place]!.latencyMs,
    report: (place, now) => reportOf(subjects[place]!, now),
  }
}

function createSubject(limits: ExpertLimits, expertId: number, nowMs: number): Subject {
  return {
    limits,
    breaker: createBreaker({ layer: 0, expertId }, nowMs),
    pausedUntilMs: 0,
    numAnswering: 0,
    numAnswered: 0,
    numFailed: 0,
    latencyMs: 0,
    began: [],
  }
}

function hindranceOf(subject: Subject, nowMs: number): Hindrance | undefined {
  const { breaker, pausedUntilMs, numAnswering, limits } = subject
  if (breaker.state === "half-open") return { why: "cooling down", untilMs: undefined }
  if (breaker.state === "open" && nowMs < breaker.nextProbeMs!)
    return { why: "cooling down", untilMs: breaker.nextProbeMs }
  if (nowMs < pausedUntilMs) return { why: "paused", untilMs: pausedUntilMs }
  if (numAnswering >= limits.concurrency) return { why: "busy", untilMs: undefined }
  const oldest = forgetOld(subject, nowMs)
  if (subject.began.length >= limits.requestsPerMinute) return { why: "busy", untilMs: oldest! + MINUTE_MS }
  return undefined
}

/** Forgets attempts of more than a minute ago; returns when the oldest that is left began. */
function forgetOld({ began }: Subject, nowMs: number): number | undefined {
  let numOld = 0
  while (numOld < began.length && began[numOld]! <= nowMs - MINUTE_MS) numOld++
  if (numOld > 0) began.splice(0, numOld)
  return began[0]
}

function admit(subject: Subject, policy: BreakerPolicy, nowMs: number): AdmittedAttempt {
  const before = subject.breaker
  subject.breaker = beginProbe(before, nowMs)
  const isProbe = subject.breaker !== before
  subject.numAnswering++
  if (subject.limits.requestsPerMinute < Number.POSITIVE_INFINITY) subject.began.push(nowMs)
  let hasEnded = false
  const end = (then: () => void): void => {
    if (hasEnded) return
    hasEnded = true
    subject.numAnswering--
    then()
  }
  /** A probe without a verdict never was: the next request is one. */
  const takeBack = (): void => {
    if (isProbe && subject.breaker.state === "half-open") subject.breaker = before
  }
  return {
    succeeded: (ttftMs, now) =>
      end(() => {
        subject.numAnswered++
        subject.latencyMs += (subject.latencyMs === 0 ? 1 : LATENCY_WEIGHT) * (ttftMs - subject.latencyMs)
        // Only the probe readmits: what began before the cool-down says nothing about now.
        subject.breaker = isProbe ? noteProbePassed(subject.breaker, now) : noteSuccess(subject.breaker)
      }),
    failed: (failure, now) =>
      end(() => {
        subject.numFailed++
        if (failure.kind === "rate-limited") {
          const pauseMs = Math.min(failure.retryAfterMs ?? USUAL_PAUSE_MS, MOST_PAUSE_MS)
          subject.pausedUntilMs = Math.max(subject.pausedUntilMs, now + pauseMs)
        }
        if (!countsAgainst(failure.kind)) return takeBack()
        const isLate = !isProbe && subject.breaker.state === "half-open"
        if (!isLate) subject.breaker = noteFailure(subject.breaker, `${failure.kind}: ${failure.message}`, now, policy)
      }),
    abandoned: () => end(takeBack),
  }
}

function reportOf(subject: Subject, nowMs: number): ExpertHealthReport {
  const { breaker, pausedUntilMs, numAnswering, numAnswered, numFailed, latencyMs, began } = subject
  const { layer: _layer, expertId: _expertId, replica: _replica, ...shown } = breaker
  forgetOld(subject, nowMs)
  return {
    breaker: shown,
    pausedUntilMs: nowMs < pausedUntilMs ? pausedUntilMs : undefined,
    numAnswering,
    numAnswered,
    numFailed,
    requestsOfMinute: began.length,
    latencyMs,
  }
}
