import { agentRuns } from "../routes/agentRuns.ts"
import { chatCompletions } from "../routes/chatCompletions.ts"
import { completions } from "../routes/completions.ts"
import { health } from "../routes/health.ts"
import { metrics } from "../routes/metrics.ts"
import { models } from "../routes/models.ts"
import { createShell } from "./createShell.ts"
import type { ServiceDeps } from "./ServiceDeps.ts"

/** The HTTP service of one model. */
export function createApp(deps: ServiceDeps, { apiKey }: { readonly apiKey?: string | undefined } = {}) {
  return createShell({ apiKey, debug: deps.debug, countRequest: deps.metrics.countRequest })
    .use(health(deps))
    .use(models(deps))
    .use(chatCompletions(deps))
    .use(completions(deps))
    .use(agentRuns(deps))
    .use(metrics(deps))
}
