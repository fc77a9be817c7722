/** What of a peer's answer is read. Nothing else of it counts, and nothing of it is trusted. */
import { Option, Schema } from "effect"

const Count = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 2 ** 40 }))
const maybe = <S extends Schema.Top>(schema: S) => Schema.optionalKey(Schema.NullOr(schema))

const ToolCallPart = Schema.Struct({
  index: Schema.optionalKey(Count),
  id: maybe(Schema.String),
  function: Schema.optionalKey(Schema.Struct({ name: maybe(Schema.String), arguments: maybe(Schema.String) })),
})
export type ToolCallPart = typeof ToolCallPart.Type

const Message = Schema.Struct({ content: maybe(Schema.String), tool_calls: maybe(Schema.Array(ToolCallPart)) })

const Choice = Schema.Struct({
  index: Schema.optionalKey(Count),
  /** Of a piece of a stream. */
  delta: maybe(Message),
  /** Of an answer that comes whole. */
  message: maybe(Message),
  finish_reason: maybe(Schema.String),
})
export type RemoteChoice = typeof Choice.Type

const RemoteUsage = Schema.Struct({
  prompt_tokens: Count,
  completion_tokens: Count,
  prompt_tokens_details: maybe(Schema.Struct({ cached_tokens: maybe(Count) })),
})
export type RemoteUsage = typeof RemoteUsage.Type

const RemoteChunk = Schema.Struct({ choices: Schema.Array(Choice), usage: maybe(RemoteUsage) })
export type RemoteChunk = typeof RemoteChunk.Type

const decode = Schema.decodeUnknownOption(RemoteChunk)
const decodeError = Schema.decodeUnknownOption(
  Schema.Struct({ error: Schema.Union([Schema.String, Schema.Struct({ message: Schema.String })]) }),
)

const MOST_WORDS = 300

/** Returns the answer, or the piece of one, that a value is; undefined where it is none. */
export function asChunk(value: unknown): RemoteChunk | undefined {
  return Option.getOrUndefined(decode(value))
}

/** Returns the words of a peer's error, short and in one line; undefined where the value is none. */
export function errorWords(value: unknown): string | undefined {
  const found = Option.getOrUndefined(decodeError(value))?.error
  if (found === undefined) return undefined
  return shorten(typeof found === "string" ? found : found.message)
}

/** What a peer says, in one line, without control characters. */
export function shorten(words: string): string {
  const line = words.replaceAll(/\p{C}+/gu, " ").trim()
  return line.length > MOST_WORDS ? `${line.slice(0, MOST_WORDS)}…` : line
}
