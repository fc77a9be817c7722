import type { TracedRequest } from "./TracedRequest.ts"

const COLUMNS = "TIMESTAMP,ContextTokens,GeneratedTokens"
const TIMESTAMP = /^(\d{4}-\d\d-\d\d)[ T](\d\d):(\d\d):(\d\d(?:\.\d+)?)(?:Z|\+00:?00)?$/

/**
 * Parses a trace in the form of the Azure LLM inference trace: CSV with columns TIMESTAMP, ContextTokens, GeneratedTokens, oldest first.
 *
 * @param name the file's, for errors
 * @throws Error naming the line, what was expected and what was found
 * @see Patel et al., "Splitwise", ISCA 2024
 */
export function parseTrace(csv: string, name: string): readonly TracedRequest[] {
  const [head = "", ...lines] = csv.split(/\r?\n/)
  const columns = head.replace(/^\uFEFF/, "").replaceAll(/\s/g, "")
  if (columns !== COLUMNS) throw new Error(`${name}:1: expected the columns ${COLUMNS}, found ${quote(head)}`)
  const requests: TracedRequest[] = []
  let firstMs = Number.NaN
  for (const [i, line] of lines.entries()) {
    if (line.trim() === "") continue
    const at = `${name}:${i + 2}`
    const fields = line.split(",").map((field) => field.trim())
    if (fields.length !== 3) throw new Error(`${at}: expected 3 fields, found ${fields.length}: ${quote(line)}`)
    const timeMs = parseTimestamp(fields[0]!, at)
    if (Number.isNaN(firstMs)) firstMs = timeMs
    const arrivalMs = timeMs - firstMs
    if (arrivalMs < (requests.at(-1)?.arrivalMs ?? 0)) {
      throw new Error(`${at}: expected requests in order of time, found ${fields[0]} after a later one`)
    }
    requests.push({
      arrivalMs,
      contextTokens: parseCount(fields[1]!, `${at}: ContextTokens`),
      generatedTokens: parseCount(fields[2]!, `${at}: GeneratedTokens`),
    })
  }
  if (requests.length === 0) throw new Error(`${name}: expected at least one request, found none`)
  return requests
}

/** Returns milliseconds, fractions of them included. */
function parseTimestamp(text: string, at: string): number {
  const [, date, hours, minutes, seconds] = TIMESTAMP.exec(text) ?? []
  const dayMs = date === undefined ? Number.NaN : Date.parse(`${date}T00:00:00Z`)
  if (Number.isNaN(dayMs)) {
    throw new Error(`${at}: expected a time like 2023-11-16 18:17:03.9799600, found ${quote(text)}`)
  }
  return dayMs + (Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds)) * 1000
}

function parseCount(text: string, at: string): number {
  const count = Number(text)
  if (text === "" || !Number.isInteger(count) || count < 0) {
    throw new Error(`${at}: expected a whole number from 0 on, found ${quote(text)}`)
  }
  return count
}

/** What was found, short enough for an error. */
function quote(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}…` : text)
}
