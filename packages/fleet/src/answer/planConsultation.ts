import type { FleetCore } from "../FleetCore.ts"
import type { ExpertPressure, RoutePlan } from "../route/planRoute.ts"

export interface ConsultPlan {
  /** Places of who is asked, best first. */
  readonly proposers: readonly number[]
  /** Place of who decides: the strong one, else the generalist, else the best. */
  readonly judge: number
}

/**
 * Chooses who is asked and who decides.
 *
 * Under a budget fewer are asked: those of the best whose answers, and one more by whoever decides, it pays for by the estimate.
 */
export function planConsultation(
  {
    members,
    generalist,
  }: Pick<FleetCore, "generalist"> & {
    readonly members: readonly { readonly config: { readonly role: string | undefined } }[]
  },
  { order, pressures }: Pick<RoutePlan, "order"> & { readonly pressures: readonly Pick<ExpertPressure, "costUsd">[] },
  numExperts: number,
  budgetUsd: number,
): ConsultPlan {
  const strong = order.find((place) => members[place]!.config.role === "strong")
  const judge = strong ?? (order.includes(generalist) ? generalist : (order[0] ?? 0))
  let leftUsd = budgetUsd - (pressures[judge]?.costUsd ?? 0)
  const proposers: number[] = []
  for (const place of order) {
    const { costUsd } = pressures[place]!
    if (proposers.length === numExperts || costUsd > leftUsd) continue
    proposers.push(place)
    leftUsd -= costUsd
  }
  return { proposers, judge }
}
