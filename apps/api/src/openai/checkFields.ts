import type { RequestFields } from "../http/RequestFields.ts"

/** Fields that a route knows, beside those it reads: what ignoring them would mean. */
export interface KnownFields {
  readonly read: readonly string[]
  /** Ignoring them changes nothing in the answer. */
  readonly harmless: readonly string[]
  /** Ignoring them would change the answer's meaning, unless the value is one of these. */
  readonly unsupported: Readonly<Record<string, readonly unknown[]>>
}

/** Refuses what we cannot honour; returns the fields that nobody knows. @throws ApiError naming the field */
export function checkFields(fields: RequestFields, { read, harmless, unsupported }: KnownFields): string[] {
  for (const [name, allowed] of Object.entries(unsupported)) {
    if (!fields.has(name)) continue
    const value = JSON.stringify(fields.raw(name))
    if (!allowed.some((other) => JSON.stringify(other) === value)) {
      const only =
        allowed.length > 0 ? `only ${allowed.map((other) => JSON.stringify(other)).join(" or ")}` : "it left out"
      fields.fail(name, `${only}: this service does not support it otherwise`)
    }
  }
  const known = new Set([...read, ...harmless, ...Object.keys(unsupported)])
  return fields.names.filter((name) => !known.has(name))
}
