import { Schema } from "effect"
import { EngineEvent, PROTOCOL_VERSION } from "../protocol.ts"

type TokensEvent = Extract<EngineEvent, { type: "tokens" }>

const decodeEvent = Schema.decodeUnknownSync(EngineEvent)

/**
 * Decodes what an engine sent: everything of one step.
 *
 * Tokens come with every step, so they are checked by hand, for a fraction of what the schema costs, and as strictly.
 *
 * @throws Error on what the protocol does not know
 */
export function decodeEvents(envelope: unknown): readonly EngineEvent[] {
  const { version, events } = (envelope ?? {}) as { readonly version?: unknown; readonly events?: unknown }
  if (version !== PROTOCOL_VERSION)
    throw new Error(`version: expected ${PROTOCOL_VERSION}, found ${JSON.stringify(version) ?? "nothing"}`)
  if (!Array.isArray(events)) throw new Error(`events: expected an array, found ${typeof events}`)
  return events.map((event: unknown) => (isPlainTokens(event) ? event : decodeEvent(event)))
}

/** Tells whether it is a valid `tokens` event without a trace. */
function isPlainTokens(value: unknown): value is TokensEvent {
  const { type, requestId, tokens, trace } = (value ?? {}) as Readonly<Record<string, unknown>>
  return (
    type === "tokens" &&
    trace === undefined &&
    typeof requestId === "string" &&
    Array.isArray(tokens) &&
    tokens.every(isToken)
  )
}

function isToken(value: unknown): boolean {
  const { id, logProb, top } = (value ?? {}) as Readonly<Record<string, unknown>>
  return (
    isId(id) &&
    (logProb === undefined || Number.isFinite(logProb)) &&
    (top === undefined || (Array.isArray(top) && top.every(isAlternative)))
  )
}

function isAlternative(value: unknown): boolean {
  return Array.isArray(value) && value.length === 2 && isId(value[0]) && Number.isFinite(value[1])
}

function isId(value: unknown): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0
}
