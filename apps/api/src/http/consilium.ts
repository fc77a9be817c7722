/**
 * Everything of ours in requests and responses, under the one key `consilium`.
 *
 * Later fields are added here only.
 */
import { CONSULT_KINDS, type ConsultKind, type FleetReport, type FleetRequest } from "@consilium/fleet"
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

/** What a fleet says of an answer beside what one model does. */
export interface FleetConsilium extends Omit<ConsiliumResponse, "cost">, Omit<FleetReport, "backend"> {}

const USUAL_EXPERTS = 3

/**
 * Reads what only a fleet can be asked for.
 *
 * @param usualKind of a consultation that the model's name asks for already; undefined where it does not
 * @throws ApiError
 */
export function parseFleetWishes(
  fields: RequestFields,
  usualKind: ConsultKind | undefined,
): Pick<FleetRequest, "consult" | "budgetUsd"> {
  const own = objectFields(fields.raw("consilium") ?? {}, "consilium")
  const kind = own.raw("consult") ?? usualKind
  if (kind !== undefined && kind !== false && !isConsultKind(kind))
    return own.fail("consult", `one of ${CONSULT_KINDS.join(", ")}, or false`)
  if (kind === false && usualKind !== undefined) own.fail("consult", "a consultation, as the model's name says")
  const numExperts = own.whole("experts", 2, 4)
  if (!kind && numExperts !== undefined) own.fail("experts", "none without a consultation")
  return {
    consult: kind && { kind, numExperts: numExperts ?? USUAL_EXPERTS },
    budgetUsd: own.number("budgetUsd", 0, 1e6) ?? Number.POSITIVE_INFINITY,
  }
}

const isConsultKind = (kind: unknown): kind is ConsultKind => CONSULT_KINDS.includes(kind as ConsultKind)

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
