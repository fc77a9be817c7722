import { agentRuns } from "../routes/agentRuns.ts"
import { fleetChat } from "../routes/fleetChat.ts"
import { fleetFeedback } from "../routes/fleetFeedback.ts"
import { fleetHealth } from "../routes/fleetHealth.ts"
import { fleetModels } from "../routes/fleetModels.ts"
import { metrics } from "../routes/metrics.ts"
import { createShell } from "./createShell.ts"
import type { FleetDeps } from "./FleetDeps.ts"

/** The HTTP service of a fleet. */
export function createFleetApp(deps: FleetDeps, { apiKey }: { readonly apiKey?: string | undefined } = {}) {
  return createShell({ apiKey, debug: deps.debug, countRequest: deps.metrics.countRequest })
    .use(fleetHealth(deps))
    .use(fleetModels(deps))
    .use(fleetChat(deps))
    .use(fleetFeedback(deps))
    .use(agentRuns(deps))
    .use(metrics(deps))
}
