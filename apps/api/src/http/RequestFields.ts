import { invalidField } from "./ApiError.ts"

/** Reads the fields of one JSON body, each checked as it is read. Null counts as absent, as with OpenAI. */
export interface RequestFields {
  readonly names: readonly string[]
  has(name: string): boolean
  raw(name: string): unknown
  number(name: string, least: number, most: number): number | undefined
  whole(name: string, least: number, most: number): number | undefined
  flag(name: string): boolean | undefined
  text(name: string): string | undefined
  /** @throws ApiError about this field */
  fail(name: string, expected: string): never
}

/** @param path of the enclosing object, for messages */
export function requestFields(body: Readonly<Record<string, unknown>>, path = ""): RequestFields {
  const raw = (name: string): unknown => body[name] ?? undefined
  const fail = (name: string, expected: string): never => {
    const found = JSON.stringify(body[name])
    const shown = found !== undefined && found.length > 80 ? `${found.slice(0, 80)}…` : found
    throw invalidField(`${path}${name}`, `${path}${name}: expected ${expected}, found ${shown ?? "nothing"}.`)
  }
  const number = (name: string, least: number, most: number): number | undefined => {
    const value = raw(name)
    if (value === undefined) return undefined
    if (typeof value === "number" && value >= least && value <= most) return value
    return fail(name, `a number from ${least} to ${most}`)
  }
  return {
    names: Object.keys(body).filter((name) => body[name] !== null),
    has: (name) => raw(name) !== undefined,
    raw,
    number,
    whole(name, least, most) {
      const value = raw(name)
      if (value === undefined) return undefined
      if (Number.isSafeInteger(value) && (value as number) >= least && (value as number) <= most) return value as number
      return fail(name, `a whole number from ${least} to ${most}`)
    },
    flag(name) {
      const value = raw(name)
      return value === undefined || typeof value === "boolean" ? value : fail(name, "true or false")
    },
    text(name) {
      const value = raw(name)
      return value === undefined || typeof value === "string" ? value : fail(name, "a string")
    },
    fail,
  }
}

/** Returns a JSON object's fields. @throws ApiError when it is none */
export function objectFields(value: unknown, path: string): RequestFields {
  if (typeof value === "object" && value !== null && !Array.isArray(value))
    return requestFields(value as Record<string, unknown>, `${path}.`)
  throw invalidField(path, `${path}: expected an object, found ${JSON.stringify(value) ?? "nothing"}.`)
}
