import { describeRefusal } from "@consilium/cost"
import type { FleetCore } from "../FleetCore.ts"
import { FleetError } from "../FleetError.ts"
import type { ExpertPressure } from "../route/planRoute.ts"
import { BEYOND_BUDGET, type RoutedCall } from "../route/routeRequest.ts"
import type { AnswerLog } from "./AnswerLog.ts"

interface Situation {
  readonly pressures: readonly ExpertPressure[]
  /** Places that were tried for this answer. */
  readonly tried: readonly number[]
  readonly log: AnswerLog
  readonly nowMs: number
  readonly hasSent: boolean
}

/** Returns the error of a request that nobody is left for: after attempts what came of them, without any why nobody could be asked. */
export function whyNobody(core: FleetCore, call: RoutedCall, situation: Situation): FleetError {
  const { tried, log, nowMs } = situation
  const { attempts, deadlineMs } = log
  if (nowMs >= deadlineMs - DEADLINE_SLACK_MS) return deadlineError(core, log)
  return tried.length > 0
    ? afterAttempts(core, situation)
    : new FleetError({ ...beforeAttempts(core, call, situation), attempts })
}

/** A request whose time is over. */
export function deadlineError({ config }: Pick<FleetCore, "config">, { attempts }: AnswerLog): FleetError {
  const message = `No answer came within the deadline of ${config.deadlineMs} ms${triedWords(attempts)}.`
  return new FleetError({ code: "deadline", message, attempts })
}

const DEADLINE_SLACK_MS = 15

function afterAttempts({ health }: FleetCore, { tried, log, nowMs, hasSent }: Situation): FleetError {
  const { attempts } = log
  const outcomes = attempts.slice(-tried.length).map(({ outcome }) => outcome)
  if (outcomes.every((outcome) => outcome === "bad-request"))
    return new FleetError({ code: "bad-request", message: attempts.at(-1)!.message!, attempts })
  const message = hasSent
    ? `The answer broke off, and nobody could go on with it${triedWords(attempts)}.`
    : `Nobody could answer${triedWords(attempts)}.`
  const code = outcomes.every((outcome) => outcome === "rate-limited") ? "busy" : "all-failed"
  return new FleetError({
    code,
    message,
    attempts,
    ...retryAfter(
      tried.map((place) => health.hindrance(place, nowMs)?.untilMs),
      nowMs,
    ),
  })
}

function beforeAttempts(
  { members, health }: FleetCore,
  { named, promptTokens, purse }: RoutedCall,
  { pressures, nowMs }: Situation,
): Pick<FleetError, "code" | "message"> & { readonly retryAfterMs?: number } {
  const places = named === undefined ? members.map((_, place) => place) : [named]
  const reasonOf = (place: number): string => pressures[place]!.unavailable ?? "does not suit"
  const states = places.map((place) => `${members[place]!.config.name} ${reasonOf(place)}`).join(", ")
  const all = (reason: string): boolean => places.every((place) => reasonOf(place) === reason)
  const some = (reason: string): boolean => places.some((place) => reasonOf(place) === reason)
  const untils = places.map((place) => health.hindrance(place, nowMs)?.untilMs)
  if (all("reads no images"))
    return { code: "no-image-expert", message: "The request has an image, and no expert reads images." }
  if (some(BEYOND_BUDGET) && purse?.refusedBy !== undefined)
    return { code: "budget-exceeded", message: describeRefusal(purse.refusedBy) }
  if (some("busy") || some("paused"))
    return {
      code: "busy",
      message: `Everyone who could answer has too much to do: ${states}.`,
      ...retryAfter(untils, nowMs),
    }
  if (some("cooling down"))
    return {
      code: "cooling-down",
      message: `Everyone who could answer is cooling down: ${states}.`,
      ...retryAfter(untils, nowMs),
    }
  if (some("over budget"))
    return {
      code: "over-budget",
      message: `Nobody answers ${promptTokens} prompt tokens within the budget: ${states}.`,
    }
  return { code: "bad-request", message: `Nobody can answer this request: ${states}.` }
}

function retryAfter(untils: readonly (number | undefined)[], nowMs: number): { readonly retryAfterMs?: number } {
  const known = untils.filter((until) => until !== undefined)
  return known.length === 0 ? {} : { retryAfterMs: Math.max(0, Math.min(...known) - nowMs) }
}

function triedWords(attempts: AnswerLog["attempts"]): string {
  if (attempts.length === 0) return ""
  const words = attempts.map(
    ({ expert, outcome, message }) => `${expert}: ${outcome}${message === undefined ? "" : ` (${message})`}`,
  )
  return `: ${words.join("; ")}`
}
