import { Elysia } from "elysia"
import { chatCompletions } from "../routes/chatCompletions.ts"
import { completions } from "../routes/completions.ts"
import { health } from "../routes/health.ts"
import { metrics } from "../routes/metrics.ts"
import { models } from "../routes/models.ts"
import { ApiError, asApiError, errorResponse } from "./ApiError.ts"
import { authorize } from "./authorize.ts"
import type { ServiceDeps } from "./ServiceDeps.ts"

/** The HTTP service: routes, the key that guards all but health, and one place where failures become responses. */
export function createApp(deps: ServiceDeps, { apiKey }: { readonly apiKey?: string | undefined } = {}) {
  return new Elysia()
    .onRequest(({ request }) => {
      if (new URL(request.url).pathname !== "/health") authorize(request, apiKey)
    })
    .onError(({ error, code, request, route }) => {
      const { pathname } = new URL(request.url)
      if (code === "NOT_FOUND") return errorResponse(notFound(request.method, pathname))
      const failure = asApiError(error)
      if (failure.status === 500)
        deps.debug(`${pathname}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`)
      // By the route as we named it: paths come from clients, and each would be a series of its own.
      deps.metrics.countRequest(route ?? "none", failure.status)
      return errorResponse(failure, { "x-request-id": `req-${crypto.randomUUID()}` })
    })
    .onAfterResponse(({ request, path, responseValue }) => {
      if (responseValue instanceof Response && responseValue.ok && request.method === "POST")
        deps.metrics.countRequest(path, responseValue.status)
    })
    .use(health(deps))
    .use(models(deps))
    .use(chatCompletions(deps))
    .use(completions(deps))
    .use(metrics(deps))
}

function notFound(method: string, path: string): ApiError {
  return new ApiError({
    status: 404,
    type: "invalid_request_error",
    code: "not_found",
    message: `There is no ${method} ${path} here.`,
  })
}
