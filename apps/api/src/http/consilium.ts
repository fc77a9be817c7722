/**
 * Everything of ours in requests and responses, under the one key `consilium`.
 *
 * Later fields are added here only; what a fleet alone knows, in `consiliumOfFleet.ts`.
 */
import type { Degradation, RoutingTrace } from "@consilium/serving"
import type { AnswerTiming } from "./AnswerClock.ts"
import { objectFields, type RequestFields } from "./RequestFields.ts"

export interface ConsiliumRequest {
  /** Asks for the experts and weights of every token and layer. */
  readonly trace: boolean
  /** On whose account the request goes, and what it is about; empty where it does not say. */
  readonly agent: string
  readonly domain: string
}

export interface ConsiliumResponse {
  readonly requestId: string
  readonly backend: string
  readonly timing: AnswerTiming & {
    /** Of `ttftMs`, what it waited for a slot. */
    readonly queueMs: number
  }
  /** Rungs of the failover ladder that this answer used: empty is the rule. */
  readonly degraded: readonly Degradation[]
  /** What the request has cost until now, where costs are kept. */
  readonly cost?: { readonly usd: number }
  readonly trace?: readonly RoutingTrace[]
}

/** Longer names would be no names. */
const MAX_NAME_CHARACTERS = 100

/** @throws ApiError */
export function parseConsilium(fields: RequestFields): ConsiliumRequest {
  if (!fields.has("consilium")) return { trace: false, agent: "", domain: "" }
  const own = objectFields(fields.raw("consilium"), "consilium")
  const name = (field: string): string => {
    // Half of a character cannot be kept, nor stand in a header.
    const text = (own.text(field) ?? "").toWellFormed()
    return text.length <= MAX_NAME_CHARACTERS ? text : own.fail(field, `at most ${MAX_NAME_CHARACTERS} characters`)
  }
  return { trace: own.flag("trace") ?? false, agent: name("agent"), domain: name("domain") }
}
