import type { FleetConfig } from "../config/FleetConfig.ts"
import type { Consult } from "../Consult.ts"
import type { FleetRequest } from "../FleetRequest.ts"
import type { RoutedCall } from "../route/routeRequest.ts"
import type { AnswerLog } from "./AnswerLog.ts"
import { planConsultation } from "./planConsultation.ts"

interface PlannedConsult extends Consult {
  /** Why the request is consulted, in words. */
  readonly why: string
}

type Core = Parameters<typeof planConsultation>[0] & { readonly config: Pick<FleetConfig, "consult"> }

/**
 * Returns how a request is consulted: as it asks for, or as the settings have it where it is complex; undefined where one expert answers.
 *
 * Unasked only where two experts or more can be asked now, and the budget pays for them and for whoever decides: less is no consultation.
 */
export function planConsult(
  core: Core,
  { complexity, plan }: Pick<RoutedCall, "complexity" | "plan">,
  { consult }: Pick<FleetRequest, "consult">,
  nowMs: number,
  { leftUsd }: Pick<AnswerLog, "leftUsd">,
): PlannedConsult | undefined {
  if (consult === false) return undefined
  if (consult !== undefined) return { ...consult, why: "consulted: it was asked for" }
  const policy = core.config.consult
  if (policy === undefined || complexity === undefined || complexity.value < policy.from) return undefined
  const { kind, numExperts, from } = policy
  const { proposers } = planConsultation(core, plan(nowMs, leftUsd), numExperts, leftUsd)
  if (proposers.length < 2) return undefined
  return {
    kind,
    numExperts,
    why: `consulted: complexity ${complexity.value.toFixed(2)}, from ${from} on: ${complexity.why}`,
  }
}
