import type { Accounts } from "@consilium/cost"
import type { FleetApi } from "@consilium/fleet"
import type { AgentDeps } from "./AgentDeps.ts"
import type { FleetMetrics } from "./createFleetMetrics.ts"
import type { ModelDeps, ServiceDeps } from "./ServiceDeps.ts"

/** What a fleet's routes work with; made once, passed in. */
export interface FleetDeps extends AgentDeps, Pick<ServiceDeps, "created" | "debug" | "noteUnknownFields"> {
  readonly fleet: FleetApi
  readonly metrics: FleetMetrics
  /** Undefined where nobody keeps a ledger, and no expert has a price. */
  readonly accounts: Accounts | undefined
  /** Of each local expert; `modelId` is its name. */
  readonly models: readonly ModelDeps[]
}
