import { createFleetModel } from "@consilium/agent"
import type { Accounts } from "@consilium/cost"
import { createPurse, type FleetApi, parseTarget } from "@consilium/fleet"
import { Effect } from "effect"
import { unknownModel } from "../routes/fleetModels.ts"
import type { ModelOfRun } from "./AgentService.ts"

export interface FleetModelsOptions {
  readonly fleet: FleetApi
  readonly accounts: Accounts | undefined
  /** Tokens of prompt and answer that everyone who may answer has room for. */
  readonly contextLength: number
}

/** Returns what gives runs the fleet, or one of its experts: each step is routed, falls back and is paid for by itself. */
export const createFleetModels =
  ({ fleet, accounts, contextLength: usualContext }: FleetModelsOptions): ModelOfRun =>
  ({ runId, agent, model = "auto", contextLength = usualContext, caller: { key, domain }, isStream }) =>
    Effect.sync(() => {
      const purse = accounts && createPurse(accounts, runId, { key, agent, domain })
      return createFleetModel(fleet, { id: model, target: targetOf(fleet, model), contextLength, purse, isStream })
    })

/** @throws ApiError 404 that names who is there */
function targetOf({ config: { experts } }: FleetApi, model: string) {
  const answering = experts.filter(({ kind }) => kind !== "onnx").map(({ name }) => name)
  return parseTarget(model, answering) ?? unknownModel(model, answering)
}
