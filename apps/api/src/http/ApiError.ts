import type { AgentModelError } from "@consilium/agent"
import type { FleetError } from "@consilium/fleet"
import { CheckpointError, TextError } from "@consilium/model"
import { EngineError, PromptError } from "@consilium/serving"

/** What a client is told, in OpenAI's shape. */
export interface ErrorBody {
  readonly error: {
    readonly message: string
    readonly type: string
    readonly param: string | null
    readonly code: string | null
  }
  /** What of ours belongs to it: the attempts that came to nothing. */
  readonly consilium?: object
}

/** A request that ends in an error: status and public words. */
export class ApiError extends Error {
  readonly _tag = "ApiError"
  override readonly name = "ApiError"
  readonly status: number
  readonly type: string
  readonly param: string | null
  readonly code: string | null
  /** Seconds after which trying again makes sense. */
  readonly retryAfter: number | undefined
  readonly consilium: object | undefined

  constructor(options: {
    status: number
    type: string
    message: string
    param?: string
    code?: string
    retryAfter?: number
    consilium?: object
  }) {
    super(options.message)
    this.status = options.status
    this.type = options.type
    this.param = options.param ?? null
    this.code = options.code ?? null
    this.retryAfter = options.retryAfter
    this.consilium = options.consilium
  }
}

interface PublicError {
  readonly status: number
  readonly type: string
  readonly code: string
  readonly retryAfter?: number
}

/** The one table from failure to status and public code. */
const PUBLIC = {
  "context-overflow": { status: 400, type: "invalid_request_error", code: "context_length_exceeded" },
  "bad-request": { status: 400, type: "invalid_request_error", code: "invalid_value" },
  "queue-full": { status: 429, type: "rate_limit_error", code: "queue_full", retryAfter: 1 },
  "not-ready": { status: 503, type: "unavailable_error", code: "model_loading", retryAfter: 1 },
  draining: { status: 503, type: "unavailable_error", code: "draining", retryAfter: 5 },
  "engine-failed": { status: 503, type: "unavailable_error", code: "engine_failed" },
  deadline: { status: 504, type: "server_error", code: "deadline_exceeded" },
  "all-failed": { status: 502, type: "server_error", code: "experts_failed" },
  "cooling-down": { status: 503, type: "unavailable_error", code: "experts_cooling_down", retryAfter: 1 },
  busy: { status: 429, type: "rate_limit_error", code: "experts_busy", retryAfter: 1 },
  "no-image-expert": { status: 400, type: "invalid_request_error", code: "no_image_expert" },
  "over-budget": { status: 400, type: "invalid_request_error", code: "over_budget" },
  // Not 429, which clients try again at once.
  "budget-exceeded": { status: 402, type: "insufficient_quota", code: "budget_exceeded" },
  // Nobody reads it: metrics count it apart from what the service did wrong.
  "client-left": { status: 499, type: "invalid_request_error", code: "client_closed_request" },
  internal: { status: 500, type: "server_error", code: "internal_error" },
} as const satisfies Readonly<
  Record<EngineError["code"] | PromptError["code"] | FleetError["code"] | "client-left", PublicError>
>

/** A failure of the table, said in these words. */
export function publicError(code: keyof typeof PUBLIC, message: string): ApiError {
  return new ApiError({ ...PUBLIC[code], message })
}

/** Returns what a client is told of any failure. What we did not expect is told without its insides. */
export function asApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error
  if (error instanceof PromptError)
    return new ApiError({ ...PUBLIC[error.code], message: error.message, param: error.param })
  if (error instanceof EngineError) return publicError(error.code, error.message)
  if (isFleetError(error)) return fromFleet(error)
  if (isAgentModelError(error)) return asApiError(error.cause)
  if (error instanceof TextError || error instanceof CheckpointError) return publicError("bad-request", error.message)
  return publicError("internal", "The service failed on this request.")
}

/** By its tag: one model does without the fleet's code. */
const isFleetError = (error: unknown): error is FleetError =>
  error instanceof Error && "_tag" in error && error._tag === "FleetError"

/** By its tag: agents are loaded where somebody asks one. What the model below said has its own status. */
function isAgentModelError(error: unknown): error is AgentModelError {
  return (
    error instanceof Error && "_tag" in error && error._tag === ("AgentModelError" satisfies AgentModelError["_tag"])
  )
}

function fromFleet({ code, message, attempts, retryAfterMs }: FleetError): ApiError {
  const retryAfter = retryAfterMs === undefined ? {} : { retryAfter: Math.ceil(retryAfterMs / 1000) }
  return new ApiError({ ...PUBLIC[code], ...retryAfter, message, consilium: { attempts } })
}

export function errorBody({ message, type, param, code, consilium }: ApiError): ErrorBody {
  return { error: { message, type, param, code }, ...(consilium && { consilium }) }
}

/** The response to a request that ends in an error. */
export function errorResponse(error: ApiError, headers: Readonly<Record<string, string>> = {}): Response {
  const { retryAfter } = error
  const retry =
    retryAfter === undefined ? {} : { "retry-after": String(retryAfter), "retry-after-ms": String(retryAfter * 1000) }
  return Response.json(errorBody(error), { status: error.status, headers: { ...headers, ...retry } })
}

/** A field of the request that cannot be; `param` is its path. */
export function invalidField(param: string, message: string): ApiError {
  return new ApiError({ ...PUBLIC["bad-request"], param, message })
}
