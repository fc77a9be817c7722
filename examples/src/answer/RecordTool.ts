import { type AgentTool, createFunctionTool } from "@consilium/agent"
import { Schema } from "effect"
import { isSum } from "./isAbout.ts"

/** A record as a case's embedded data has it. `owner` says whose it is; a record without one is everybody's. */
type CaseRecord = Readonly<Record<string, string | number>>

/** A typed tool over embedded records, and how a question is read that wants it. */
export interface RecordTool {
  readonly tool: AgentTool
  /** Returns the arguments of the call that a question wants; undefined where it wants none. */
  readonly argumentsFor: (question: string) => Readonly<Record<string, string>> | undefined
}

export interface RecordToolOptions {
  readonly name: string
  readonly description: string
  /** The field that names a record, and the tool's one parameter. */
  readonly key: string
  readonly keyDescription: string
  readonly records: readonly CaseRecord[]
  /** Finds the key in a question. */
  readonly pattern: RegExp
  /** What a question must not have, where the pattern alone is too open. */
  readonly unless?: RegExp
}

/**
 * Makes a tool that finds records by one field.
 *
 * Whose run it is decides what it finds: another's record is as unknown as one that does not exist, whatever the arguments say.
 */
export function createRecordTool(options: RecordToolOptions): RecordTool {
  const { name, description, key, keyDescription, records, pattern, unless } = options
  const tool = createFunctionTool({
    name,
    description,
    args: Schema.Struct({ [key]: Schema.String.annotate({ description: keyDescription }) }),
    changes: false,
    run: async (args, { userId }) => {
      const wanted = String(args[key]).trim().toLowerCase()
      const found = records.filter(
        (record) => String(record[key]).toLowerCase() === wanted && (record.owner ?? userId) === userId,
      )
      const shown = found.map(({ owner: _owner, ...fields }) => fields)
      return JSON.stringify(shown.length === 1 ? shown[0] : shown)
    },
  })
  return {
    tool,
    argumentsFor: (question) => {
      if (isSum(question) || unless?.test(question)) return undefined
      const match = pattern.exec(question)
      return match === null ? undefined : { [key]: match[0].toLowerCase() }
    },
  }
}

/** Writes what a record tool found for a customer: facts are rendered by a program, never said again by a model. */
export function renderRecords(text: string): string {
  const found = parseRecords(text)
  if (found === undefined) return text
  if (found.length === 0)
    return "I cannot find that among yours. Please check the number; I may not look at anybody else's."
  return found.map(renderRecord).join("\n")
}

function renderRecord(record: CaseRecord): string {
  const [[key, value] = ["", ""], ...rest] = Object.entries(record)
  const fields = rest.map(([name, found]) => `${name.replaceAll("_", " ")} ${found}`)
  return `${key[0]?.toUpperCase()}${key.slice(1)} ${value}: ${fields.join(", ")}.`
}

function parseRecords(text: string): readonly CaseRecord[] | undefined {
  try {
    const value = JSON.parse(text) as unknown
    if (Array.isArray(value)) return value as readonly CaseRecord[]
    return typeof value === "object" && value !== null ? [value as CaseRecord] : undefined
  } catch {
    return undefined
  }
}
