import { mendJson } from "./mendJson.ts"

/** Arguments as an object. */
export interface ReadArguments {
  readonly value: Readonly<Record<string, unknown>>
  /** They were no JSON object as the model wrote them. */
  readonly isRepaired: boolean
}

const FENCE = /^\s*```\w*\s*\n?([\s\S]*?)\n?```\s*$/
/** JSON text in a JSON string in a JSON string. */
const MOST_LAYERS = 3

/**
 * Reads a call's arguments: JSON, or what `mendJson` makes JSON of, in a code fence or in a string too; undefined where they are no object.
 *
 * @param mayEndEarly whether closers that are missing at the end are added: not to an answer that was cut short
 */
export function readArguments(text: string, mayEndEarly: boolean): ReadArguments | undefined {
  if (text.trim() === "") return { value: {}, isRepaired: true }
  let written = FENCE.exec(text)?.[1] ?? text
  let isRepaired = written !== text
  for (let layer = 0; layer < MOST_LAYERS; layer++) {
    const value = parse(written) ?? parse(mendJson(written, mayEndEarly))
    isRepaired ||= parse(written) === undefined
    if (typeof value === "string") {
      written = value
      isRepaired = true
    } else return isObject(value) ? { value, isRepaired } : undefined
  }
  return undefined
}

function parse(text: string | undefined): unknown {
  if (text === undefined) return undefined
  try {
    return JSON.parse(text) as unknown
  } catch {
    return undefined
  }
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value)
}
