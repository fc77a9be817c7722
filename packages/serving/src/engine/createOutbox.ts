import type { EngineEvent } from "../protocol.ts"

type TokensEvent = Extract<EngineEvent, { type: "tokens" }>

/** Keeps what steps say until it is worth a message. */
export interface Outbox {
  /** Takes a step's events; sends all that it has, unless they can wait for another step like this one. */
  put(events: readonly EngineEvent[], stepMs: number): void
  /** Sends what it has. */
  flush(): void
}

/** Tokens of a request may be this far apart in time and yet come together: a hundred messages a second are more than a screen can show. */
const MOST_KEPT_MS = 10

/**
 * Creates the outbox of an engine: where steps are short, several make one message, which saves both processes a good part of their work.
 *
 * A request's first token and its end never wait. Tokens of one request are joined.
 */
export function createOutbox(send: (events: readonly EngineEvent[]) => void, nowMs: () => number): Outbox {
  let kept: EngineEvent[] = []
  /** Tokens that are kept, by request. */
  const joined = new Map<string, TokensEvent["tokens"][number][]>()
  let sentMs = Number.NEGATIVE_INFINITY

  /** Returns whether it may wait. */
  const keep = (event: EngineEvent): boolean => {
    if (event.type !== "tokens") {
      kept.push(event)
      return false
    }
    const { requestId } = event
    if (event.trace !== undefined) {
      joined.delete(requestId)
      kept.push(event)
      return true
    }
    const earlier = joined.get(requestId)
    if (earlier !== undefined) earlier.push(...event.tokens)
    else {
      const tokens = [...event.tokens]
      joined.set(requestId, tokens)
      kept.push({ type: "tokens", requestId, tokens })
    }
    return true
  }
  const flush = (): void => {
    if (kept.length === 0) return
    const events = kept
    kept = []
    joined.clear()
    sentMs = nowMs()
    send(events)
  }

  return {
    put(events, stepMs) {
      let mayWait = true
      for (const event of events) if (!keep(event)) mayWait = false
      if (!mayWait || nowMs() - sentMs + stepMs >= MOST_KEPT_MS) flush()
    },
    flush,
  }
}
