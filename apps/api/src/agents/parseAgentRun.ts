import type { ChatMessage } from "@consilium/serving"
import { objectFields, type RequestFields } from "../http/RequestFields.ts"
import { checkFields, type KnownFields } from "../openai/checkFields.ts"
import { parseMessages } from "../openai/parseChatRequest.ts"
import type { AgentAsk } from "./AgentService.ts"

const KNOWN: KnownFields = {
  read: ["input", "messages", "user", "conversation", "confirmed", "stream", "domain"],
  harmless: ["metadata"],
  unsupported: {},
}
const MAX_NAME_CHARACTERS = 200
/** Of a user who names none. */
const USUAL_CONVERSATION = "default"

export interface ParsedAgentRun extends Pick<
  AgentAsk,
  "messages" | "user" | "conversation" | "confirmed" | "isStream"
> {
  readonly domain: string
  readonly unknownFields: readonly string[]
}

/** Reads a request for a run. @throws ApiError naming the field */
export function parseAgentRun(fields: RequestFields): ParsedAgentRun {
  const unknownFields = checkFields(fields, KNOWN)
  return {
    messages: parseInput(fields),
    user: parseName(fields, "user"),
    conversation: parseName(fields, "conversation") ?? USUAL_CONVERSATION,
    confirmed: parseConfirmed(fields),
    isStream: fields.flag("stream") ?? false,
    domain: parseName(fields, "domain") ?? "",
    unknownFields,
  }
}

function parseInput(fields: RequestFields): readonly ChatMessage[] {
  const input = fields.text("input")
  if (input === undefined && !fields.has("messages")) return fields.fail("input", "a question here, or messages")
  if (input === undefined) return askOf(parseMessages(fields), fields)
  if (fields.has("messages")) return fields.fail("messages", "none beside input")
  return input.trim() === "" ? fields.fail("input", "some text") : [{ role: "user", content: input }]
}

/** Returns messages that end with a question. @throws ApiError */
export function askOf(messages: readonly ChatMessage[], fields: RequestFields): readonly ChatMessage[] {
  return messages.at(-1)?.role === "user" ? messages : fields.fail("messages", "the user's message last")
}

/** A name that a client gives to whoever asks. @throws ApiError */
export function parseName(fields: RequestFields, field: string): string | undefined {
  const text = fields.text(field)?.toWellFormed()
  if (text === undefined || (text.trim() !== "" && text.length <= MAX_NAME_CHARACTERS)) return text
  return fields.fail(field, `1 to ${MAX_NAME_CHARACTERS} characters`)
}

function parseConfirmed(fields: RequestFields): readonly string[] {
  const confirmed = fields.raw("confirmed") ?? []
  return Array.isArray(confirmed) && confirmed.length <= 1000 && confirmed.every((name) => typeof name === "string")
    ? confirmed
    : fields.fail("confirmed", "an array of names of tools")
}

/** Reads a person's word on the calls of a run. @throws ApiError */
export function parseDecision(fields: RequestFields): {
  readonly calls: Readonly<Record<string, boolean>>
  readonly isStream: boolean
} {
  checkFields(fields, { read: ["calls", "stream"], harmless: [], unsupported: {} })
  const calls = objectFields(fields.raw("calls"), "calls")
  const decided = calls.names.map((id) => [id, calls.flag(id)!] as const)
  if (decided.length === 0) fields.fail("calls", "true or false for at least one call")
  return { calls: Object.fromEntries(decided), isStream: fields.flag("stream") ?? false }
}
