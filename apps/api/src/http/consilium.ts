/**
 * Everything of ours in requests and responses, under the one key `consilium`.
 *
 * Later fields (`route`, `cost`) are added here only.
 */
import type { Degradation, RoutingTrace } from "@consilium/serving"
import type { AnswerTiming } from "./AnswerClock.ts"
import { objectFields, type RequestFields } from "./RequestFields.ts"

export interface ConsiliumRequest {
  /** Asks for the experts and weights of every token and layer. */
  readonly trace: boolean
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
  readonly trace?: readonly RoutingTrace[]
}

/** @throws ApiError */
export function parseConsilium(fields: RequestFields): ConsiliumRequest {
  if (!fields.has("consilium")) return { trace: false }
  return { trace: objectFields(fields.raw("consilium"), "consilium").flag("trace") ?? false }
}
