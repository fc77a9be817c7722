import { ApiError } from "./ApiError.ts"
import { type RequestFields, requestFields } from "./RequestFields.ts"

/** Larger bodies are refused unread. */
export const MAX_BODY_BYTES = 32 * 2 ** 20

/** Reads a request's JSON object, and the fields that it asks for. @throws ApiError as `readJson` */
export async function readBody(request: Request): Promise<RequestFields> {
  return requestFields(await readJson(request))
}

/** Reads a request's JSON object. @throws ApiError on one that is too large, not UTF-8, or no JSON object */
export async function readJson(request: Request): Promise<Record<string, unknown>> {
  const bad = (message: string): ApiError =>
    new ApiError({ status: 400, type: "invalid_request_error", code: "invalid_json", message })
  if (Number(request.headers.get("content-length") ?? 0) > MAX_BODY_BYTES) {
    throw new ApiError({
      status: 413,
      type: "invalid_request_error",
      code: "body_too_large",
      message: `The body is larger than ${MAX_BODY_BYTES / 2 ** 20} MiB.`,
    })
  }
  const bytes = await request.arrayBuffer()
  let text: string
  try {
    text = new TextDecoder("utf-8", { fatal: true }).decode(bytes)
  } catch {
    throw bad("The body is not valid UTF-8.")
  }
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    throw bad(`The body is not valid JSON: ${(error as Error).message}`)
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw bad("The body is not a JSON object.")
  return value as Record<string, unknown>
}
