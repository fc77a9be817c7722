import { Elysia } from "elysia"
import { ApiError, asApiError, errorResponse } from "./ApiError.ts"
import { authorize } from "./authorize.ts"

/**
 * What stands around the routes of an admin listener: for the operator on this machine.
 *
 * A page in a browser must not reach it: a foreign `Host` (DNS rebinding) and any foreign `Origin` are refused, and bodies are JSON only.
 */
export function createAdminShell(adminKey: string | undefined) {
  return new Elysia()
    .onRequest(({ request }) => {
      checkOrigin(request)
      authorize(request, adminKey)
    })
    .onError(({ error, code }) =>
      errorResponse(
        code === "NOT_FOUND" ? refusal(404, "not_found", "There is no such admin route.") : asApiError(error),
      ),
    )
}

const LOCAL = /^(127\.0\.0\.1|localhost|\[::1\])(:\d+)?$/

function checkOrigin(request: Request): void {
  const host = request.headers.get("host") ?? ""
  if (!LOCAL.test(host))
    throw refusal(403, "foreign_host", `The admin routes answer to this machine only, not to Host ${host}.`)
  const origin = request.headers.get("origin")
  if (origin !== null && !LOCAL.test(origin.replace(/^https?:\/\//, "")))
    throw refusal(403, "foreign_origin", `The admin routes do not answer pages of ${origin}.`)
  const hasBody = request.method !== "GET" && request.method !== "HEAD"
  if (hasBody && !/^application\/json\b/i.test(request.headers.get("content-type") ?? ""))
    throw refusal(415, "json_only", "The admin routes read application/json only.")
}

function refusal(status: number, code: string, message: string): ApiError {
  return new ApiError({ status, type: "invalid_request_error", code, message })
}
