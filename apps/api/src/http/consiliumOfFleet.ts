import { CONSULT_KINDS, type ConsultKind, type FleetReport, type FleetRequest } from "@consilium/fleet"
import type { ConsiliumResponse } from "./consilium.ts"
import { objectFields, type RequestFields } from "./RequestFields.ts"

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
