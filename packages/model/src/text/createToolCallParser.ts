import { longestBeginning } from "./createStopMatcher.ts"

/** What a model's answer consists of. */
type ToolCallEvent =
  | { readonly type: "text"; readonly text: string }
  /** @param arguments JSON text */
  | { readonly type: "call"; readonly name: string; readonly arguments: string }

/** Tells tool calls from text in an answer that comes in pieces. */
export interface ToolCallParser {
  push(text: string): ToolCallEvent[]
  flush(): ToolCallEvent[]
}

const OPEN = "<tool_call>"
const CLOSE = "</tool_call>"

/**
 * Creates a parser of calls in the Hermes way: `<tool_call>{"name": …, "arguments": {…}}</tool_call>`, as Qwen and our own model write them.
 *
 * A call whose end is missing counts when the answer ends; what is no call is given back as the text it is. White space around calls is dropped.
 */
export function createToolCallParser(): ToolCallParser {
  let pending = ""
  let isInside = false
  let hasCalled = false

  const textEvent = (text: string): ToolCallEvent[] => {
    const isBlank = hasCalled && text.trim() === ""
    return text === "" || isBlank ? [] : [{ type: "text", text }]
  }
  const callEvent = (body: string, raw: string): ToolCallEvent[] => {
    const call = parseCall(body)
    if (call === undefined) return textEvent(raw)
    hasCalled = true
    return [call]
  }

  return {
    push(text) {
      pending += text
      const events: ToolCallEvent[] = []
      for (;;) {
        const tag = isInside ? CLOSE : OPEN
        const at = pending.indexOf(tag)
        if (at < 0) break
        const before = pending.slice(0, at)
        pending = pending.slice(at + tag.length)
        events.push(...(isInside ? callEvent(before, OPEN + before + CLOSE) : textEvent(before)))
        isInside = !isInside
      }
      if (isInside) return events
      const kept = longestBeginning(pending, [OPEN])
      events.push(...textEvent(pending.slice(0, pending.length - kept)))
      pending = pending.slice(pending.length - kept)
      return events
    },
    flush() {
      const rest = pending
      pending = ""
      return isInside ? callEvent(rest, OPEN + rest) : textEvent(rest)
    },
  }
}

function parseCall(body: string): Extract<ToolCallEvent, { type: "call" }> | undefined {
  try {
    const { name, arguments: args } = JSON.parse(body) as { name?: unknown; arguments?: unknown }
    if (typeof name !== "string" || name === "") return undefined
    return { type: "call", name, arguments: typeof args === "string" ? args : JSON.stringify(args ?? {}) }
  } catch {
    return undefined
  }
}
