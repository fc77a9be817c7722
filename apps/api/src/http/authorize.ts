import { timingSafeEqual } from "node:crypto"
import { ApiError } from "./ApiError.ts"

/** Returns the bearer token of a request; empty where there is none. */
export function bearerOf(request: Request): string {
  return /^Bearer\s+(.+)$/i.exec(request.headers.get("authorization") ?? "")?.[1] ?? ""
}

/** @throws ApiError 401 unless the request carries `key` as its bearer token */
export function authorize(request: Request, key: string | undefined): void {
  if (key === undefined) return
  const given = bearerOf(request)
  const digest = (text: string): Uint8Array => new Bun.CryptoHasher("sha256").update(text).digest()
  // Digests have one length, so the comparison takes one time.
  if (timingSafeEqual(digest(given), digest(key))) return
  throw new ApiError({
    status: 401,
    type: "invalid_request_error",
    code: "invalid_api_key",
    message: given === "" ? "An API key is needed: send it as Authorization: Bearer …" : "The API key is not valid.",
  })
}
