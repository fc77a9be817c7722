import { readFileSync } from "node:fs"
import { type CaseQuestion, DUES, QUESTION_KINDS } from "./CaseQuestion.ts"

/**
 * Reads a case's fixed question set: JSON, one question a line.
 *
 * @throws Error naming the line that is none
 */
export function readQuestions(path: string): readonly CaseQuestion[] {
  const lines = readFileSync(path, "utf8").trimEnd().split("\n")
  return lines.map((line, i) => parseQuestion(JSON.parse(line) as Record<string, unknown>, `${path}:${i + 1}`))
}

function parseQuestion(row: Record<string, unknown>, where: string): CaseQuestion {
  const text = (key: string): string => {
    const value = row[key]
    if (typeof value === "string" && value !== "") return value
    throw new Error(`${where}: expected a text as ${key}, found ${JSON.stringify(value)}`)
  }
  const texts = (key: string): readonly string[] => {
    const value = row[key] ?? []
    if (Array.isArray(value) && value.every((one) => typeof one === "string")) return value as readonly string[]
    throw new Error(`${where}: expected texts as ${key}, found ${JSON.stringify(value)}`)
  }
  const oneOf = <T extends string>(key: string, known: readonly T[]): T => {
    const found = known.find((one) => one === row[key])
    if (found !== undefined) return found
    throw new Error(`${where}: expected ${key} to be one of ${known.join(", ")}, found ${JSON.stringify(row[key])}`)
  }
  return {
    ask: text("ask"),
    desk: text("desk"),
    kind: oneOf("kind", QUESTION_KINDS),
    isFresh: row.fresh === true,
    due: oneOf("due", DUES),
    expect: texts("expect"),
    forbid: texts("forbid"),
  }
}
