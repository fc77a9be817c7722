import { Elysia } from "elysia"
import { ApiError, asApiError, errorResponse } from "./ApiError.ts"
import { authorize } from "./authorize.ts"

export interface ShellOptions {
  readonly apiKey: string | undefined
  readonly debug: (line: string) => void
  readonly countRequest: (route: string, status: number) => void
}

/** What stands around the routes of a service: the key that guards all but health, and one place where failures become responses. */
export function createShell({ apiKey, debug, countRequest }: ShellOptions) {
  return new Elysia()
    .onRequest(({ request }) => {
      if (new URL(request.url).pathname !== "/health") authorize(request, apiKey)
    })
    .onError(({ error, code, request, route }) => {
      const { pathname } = new URL(request.url)
      if (code === "NOT_FOUND") return errorResponse(notFound(request.method, pathname))
      const failure = asApiError(error)
      if (failure.status === 500)
        debug(`${pathname}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`)
      // By the route as we named it: paths come from clients, and each would be a series of its own.
      countRequest(route ?? "none", failure.status)
      return errorResponse(failure, { "x-request-id": `req-${crypto.randomUUID()}` })
    })
    .onAfterResponse(({ request, route, responseValue }) => {
      if (responseValue instanceof Response && responseValue.ok && request.method === "POST")
        countRequest(route, responseValue.status)
    })
}

function notFound(method: string, path: string): ApiError {
  return new ApiError({
    status: 404,
    type: "invalid_request_error",
    code: "not_found",
    message: `There is no ${method} ${path} here.`,
  })
}
