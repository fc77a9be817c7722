import { mendJson, mendKeywords } from "./mendJson.ts"

/** A call that stands in an answer's text. */
interface FoundCall {
  readonly name: string
  /** As they were written, or mended; those that nobody can read stand as they are. */
  readonly arguments: string
}

/** What of a text is text, and what is calls. */
export interface FoundCalls {
  readonly text: string
  readonly calls: readonly FoundCall[]
}

/** How models of several families mark a call: Hermes and Qwen, LFM2, Llama 3; and the fence that others put around it. */
const MARKED =
  /<tool_call>([\s\S]*?)(?:<\/tool_call>|$)|<\|tool_call_start\|>([\s\S]*?)(?:<\|tool_call_end\|>|$)|<\|python_tag\|>([\s\S]*?)(?:<\|eom_id\|>|$)|```tool_call\s([\s\S]*?)(?:```|$)/g
/** A fence that may as well be an example: it counts where it is the whole answer and names a tool. */
const FENCED = /^\s*```(?:json|python)?\s*\n([\s\S]*?)(?:```\s*)?$/
const PYTHON = /^\s*\[?\s*([\w.-]{1,64})\(/
const NAME = /["']?name["']?\s*[:=]\s*["']?([\w.-]{1,64})/

/**
 * Finds calls that the parser of the stream took for text, because they are malformed or marked in another family's way.
 *
 * @param names of tools, for calls without a mark
 * @param mayEndEarly whether closers that are missing at the end are added
 */
export function findCalls(text: string, names: readonly string[], mayEndEarly: boolean): FoundCalls {
  const calls: FoundCall[] = []
  const rest = text.replaceAll(MARKED, (_, ...bodies: (string | undefined)[]) => {
    const body = bodies.slice(0, 4).find((found) => found !== undefined)!
    calls.push(...(readCalls(body, mayEndEarly) ?? [unreadable(body)]))
    return ""
  })
  if (calls.length > 0) return { text: rest.trimEnd(), calls }
  const fenced = FENCED.exec(text)?.[1]
  const found = fenced === undefined ? undefined : readCalls(fenced, mayEndEarly)
  if (found === undefined || !found.every(({ name }) => names.includes(name))) return { text, calls }
  return { text: "", calls: found }
}

/** Returns the calls of one mark; undefined where it has none that can be read. */
function readCalls(body: string, mayEndEarly: boolean): readonly FoundCall[] | undefined {
  const json = mendJson(body, mayEndEarly)
  if (json !== undefined) {
    const value = JSON.parse(json) as unknown
    const calls = (Array.isArray(value) ? value : [value]).map(asCall)
    if (calls.length > 0 && calls.every((call) => call !== undefined)) return calls
  }
  const python = PYTHON.exec(body)
  if (python === null) return undefined
  const keywords = mendKeywords(body, python[0].length, mayEndEarly)
  return keywords === undefined
    ? undefined
    : [{ name: python[1]!, arguments: keywords.json }, ...more(body, keywords.end, mayEndEarly)]
}

/** Of `[first(…), second(…)]`, those after the first. */
function more(body: string, end: number, mayEndEarly: boolean): readonly FoundCall[] {
  const rest = /^\s*,\s*/.exec(body.slice(end))
  return rest === null ? [] : (readCalls(body.slice(end + rest[0].length), mayEndEarly) ?? [])
}

function asCall(value: unknown): FoundCall | undefined {
  if (typeof value !== "object" || value === null) return undefined
  const { name, arguments: given, parameters } = value as Record<string, unknown>
  if (typeof name !== "string" || name === "") return undefined
  const args = given ?? parameters ?? {}
  return { name, arguments: typeof args === "string" ? args : JSON.stringify(args) }
}

function unreadable(body: string): FoundCall {
  return { name: NAME.exec(body)?.[1] ?? "", arguments: body.trim() }
}
