import { createFleetModel } from "@consilium/agent"
import type { Accounts } from "@consilium/cost"
import { createPurse, type FleetApi, parseTarget } from "@consilium/fleet"
import { Effect } from "effect"
import { budgetHeaders } from "../http/RequestCosts.ts"
import type { FleetMetrics } from "../http/createFleetMetrics.ts"
import type { ModelOfRun } from "./AgentService.ts"
import { createStepClock } from "./createStepClock.ts"

export interface FleetModelsOptions {
  readonly fleet: FleetApi
  readonly accounts: Accounts | undefined
  /** Tokens of prompt and answer that everyone who may answer has room for. */
  readonly contextLength: number
  readonly metrics: Pick<FleetMetrics, "observe" | "observeAttempt" | "observeGap">
}

/** Returns what gives runs the fleet, or one of its experts: each step is routed, falls back, is paid for and counted by itself. */
export function createFleetModels({
  fleet,
  accounts,
  contextLength: usualContext,
  metrics,
}: FleetModelsOptions): ModelOfRun {
  return ({ runId, agent, model = "auto", contextLength = usualContext, caller: { key, domain }, isStream, warn }) =>
    Effect.sync(() => {
      const purse = accounts && createPurse(accounts, runId, { key, agent, domain })
      const measured = measureFleet(fleet, metrics, () => warn(budgetHeaders(purse?.warnings ?? [])))
      return createFleetModel(measured, { id: model, target: targetOf(fleet, model), contextLength, purse, isStream })
    })
}

/** @param onAnswer called when an answer begins, and when it ends */
function measureFleet(
  fleet: FleetApi,
  metrics: FleetModelsOptions["metrics"],
  onAnswer: () => void,
): Pick<FleetApi, "answer"> {
  return {
    answer: (request, say) =>
      Effect.suspend(() => {
        const clock = createStepClock(metrics.observeGap)
        let hasBegun = false
        const hear: typeof say = (event, expert) => {
          clock.hear(event)
          if (!hasBegun) onAnswer()
          hasBegun = true
          say(event, expert)
        }
        const answer = fleet.answer(request, hear, metrics.observeAttempt)
        return Effect.tap(answer, ({ report }) =>
          Effect.sync(() => {
            onAnswer()
            metrics.observe(report, clock.timing(report.cost.generatedTokens))
          }),
        )
      }),
  }
}

/** @throws Error where there is no such expert: agents' tables are checked before anybody asks */
function targetOf({ config: { experts } }: FleetApi, model: string) {
  const target = parseTarget(
    model,
    experts.map(({ name }) => name),
  )
  if (target === undefined) throw new Error(`expected an expert of the fleet, found ${JSON.stringify(model)}`)
  return target
}
