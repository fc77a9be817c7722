import { longestBeginning } from "./createStopMatcher.ts"
import { type ArgumentsState, scanArguments } from "./scanArguments.ts"

/** What a model's answer consists of. */
type ToolCallEvent =
  | { readonly type: "text"; readonly text: string }
  /** A call begins: its arguments follow. */
  | { readonly type: "call"; readonly name: string }
  /** More of the last call's arguments: together JSON text, without white space between its parts. */
  | { readonly type: "arguments"; readonly delta: string }

/** Tells tool calls from text in an answer that comes in pieces. */
export interface ToolCallParser {
  push(text: string): ToolCallEvent[]
  flush(): ToolCallEvent[]
}

const OPEN = "<tool_call>"
const CLOSE = "</tool_call>"
/** The usual beginning of a call: with it the name is known, and arguments can be passed on as they come. */
const HEAD = /^\s*\{\s*"name"\s*:\s*("(?:[^"\\]|\\.)+")\s*,\s*"arguments"\s*:\s*(?=\{)/
/** What of a call may stand after the arguments: fields that nobody asked for, and the brace, which some models forget. */
const TAIL = /^\s*(?:,\s*"[^]*\}|\})?/

/**
 * Creates a parser of calls in the Hermes way: `<tool_call>{"name": …, "arguments": {…}}</tool_call>`, as Qwen and our own model write them.
 *
 * Arguments stream, so they are not validated: what the model wrote is passed on. A call in another order counts once it is complete; one
 * without its end counts when the answer ends; what is no call is given back as the text it is. White space after a call is dropped, unless
 * more text follows.
 */
export function createToolCallParser(): ToolCallParser {
  let phase: "text" | "head" | "arguments" | "tail" = "text"
  let pending = ""
  /** White space after a call. */
  let blank = ""
  let hasCalled = false
  let state: ArgumentsState = { depth: 0, isInString: false, isEscaped: false }

  const textEvent = (text: string): ToolCallEvent[] => {
    const all = blank + text
    const isBlank = hasCalled && all.trim() === ""
    blank = isBlank ? all : ""
    return all === "" || isBlank ? [] : [{ type: "text", text: all }]
  }
  const tailEvent = (tail: string): ToolCallEvent[] => {
    const rest = tail.replace(TAIL, "")
    return rest.trim() === "" ? [] : textEvent(rest)
  }
  const argumentsEvent = (delta: string): ToolCallEvent[] => (delta === "" ? [] : [{ type: "arguments", delta }])
  const begin = (name: string): ToolCallEvent => {
    hasCalled = true
    blank = ""
    return { type: "call", name }
  }
  const wholeCall = (body: string, raw: string): ToolCallEvent[] => {
    const call = parseCall(body)
    return call === undefined ? textEvent(raw) : [begin(call.name), ...argumentsEvent(call.arguments)]
  }
  const take = (length: number): string => {
    const taken = pending.slice(0, length)
    pending = pending.slice(length)
    return taken
  }

  /** Takes one part from `pending`; undefined where more text is needed. */
  const advance = (): ToolCallEvent[] | undefined => {
    switch (phase) {
      case "text": {
        const at = pending.indexOf(OPEN)
        if (at < 0) return undefined
        phase = "head"
        const events = textEvent(take(at))
        take(OPEN.length)
        return events
      }
      case "head": {
        const head = HEAD.exec(pending)
        const name = head === null ? undefined : parseName(head[1]!)
        if (head !== null && name !== undefined) {
          phase = "arguments"
          state = { depth: 0, isInString: false, isEscaped: false }
          take(head[0].length)
          return [begin(name)]
        }
        const at = pending.indexOf(CLOSE)
        if (at < 0) return undefined
        phase = "text"
        const body = take(at)
        return wholeCall(body, OPEN + body + take(CLOSE.length))
      }
      case "arguments": {
        const { text, end, isDone } = scanArguments(state, pending, CLOSE)
        if (!isDone && end === 0) return undefined
        if (isDone) phase = "tail"
        take(end)
        return argumentsEvent(text)
      }
      case "tail": {
        const close = pending.indexOf(CLOSE)
        const open = pending.indexOf(OPEN)
        if (close < 0 && open < 0) return undefined
        phase = "text"
        // A call that follows without a close ends this one.
        const isClosed = close >= 0 && (open < 0 || close < open)
        const tail = take(isClosed ? close : open)
        if (isClosed) take(CLOSE.length)
        return tailEvent(tail)
      }
    }
  }

  return {
    push(text) {
      pending += text
      const events: ToolCallEvent[] = []
      for (let more = advance(); more !== undefined; more = advance()) events.push(...more)
      if (phase !== "text") return events
      events.push(...textEvent(take(pending.length - longestBeginning(pending, [OPEN]))))
      return events
    },
    flush() {
      const rest = take(pending.length)
      switch (phase) {
        case "text":
          return textEvent(rest)
        case "head":
          return wholeCall(rest, OPEN + rest)
        case "arguments":
          return argumentsEvent(rest)
        case "tail":
          return tailEvent(rest)
      }
    },
  }
}

function parseName(json: string): string | undefined {
  try {
    return JSON.parse(json) as string
  } catch {
    return undefined
  }
}

function parseCall(body: string): { readonly name: string; readonly arguments: string } | undefined {
  try {
    const { name, arguments: args } = JSON.parse(body) as { name?: unknown; arguments?: unknown }
    if (typeof name !== "string" || name === "") return undefined
    return { name, arguments: typeof args === "string" ? args : JSON.stringify(args ?? {}) }
  } catch {
    return undefined
  }
}
