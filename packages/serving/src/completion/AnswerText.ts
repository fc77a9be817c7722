import { createDetokenizer, createStopMatcher, createToolCallParser } from "@consilium/model"
import type { GeneratedToken } from "../protocol.ts"
import type { CompletionEvent, TextLogProb } from "./Completion.ts"
import type { ModelText } from "./ModelText.ts"

type AnswerEvent = Extract<CompletionEvent, { type: "text" | "tool-call" | "tool-arguments" }>

/** Turns one choice's tokens into events: detokenised, cut at stop strings, tool calls told apart. */
export interface AnswerText {
  readonly numCalls: number
  /** A stop string has been found: nothing after it counts. */
  readonly isStopped: boolean
  push(token: GeneratedToken): AnswerEvent[]
  /** What is left when the answer ends. */
  flush(): AnswerEvent[]
}

export interface AnswerOptions {
  readonly choice: number
  readonly stop: readonly string[]
  readonly hasTools: boolean
  readonly hasLogProbs: boolean
}

export function createAnswerText(
  { tokenizer }: ModelText,
  { choice, stop, hasTools, hasLogProbs }: AnswerOptions,
): AnswerText {
  const detokenizer = createDetokenizer(tokenizer)
  const matcher = createStopMatcher(stop)
  const parser = hasTools ? createToolCallParser() : undefined
  /** Of tokens whose text has not been said yet. */
  let logProbs: TextLogProb[] = []
  let isStopped = false
  let numCalls = 0

  const say = (text: string): AnswerEvent[] => {
    const parsed = parser === undefined ? [{ type: "text", text } as const] : parser.push(text)
    return parsed.flatMap(toEvents)
  }
  const toEvents = (event: ReturnType<NonNullable<typeof parser>["push"]>[number]): AnswerEvent[] => {
    if (event.type === "call") {
      const index = numCalls++
      const id = `call_${crypto.randomUUID().replaceAll("-", "").slice(0, 24)}`
      return [
        { type: "tool-call", choice, index, id, name: event.name },
        { type: "tool-arguments", choice, index, delta: event.arguments },
      ]
    }
    if (event.text === "" && logProbs.length === 0) return []
    const said = { type: "text", choice, text: event.text, logProbs } as const
    logProbs = []
    return [said]
  }
  const describe = ({ id, logProb, top = [] }: GeneratedToken): TextLogProb => ({
    ...textOf(id),
    logProb: logProb ?? 0,
    top: top.map(([other, otherLogProb]) => ({ ...textOf(other), logProb: otherLogProb })),
  })
  const textOf = (id: number): { text: string; bytes: number[] } => {
    const bytes = tokenizer.tokenBytes(id)
    return { text: new TextDecoder().decode(bytes), bytes: [...bytes] }
  }

  return {
    get numCalls() {
      return numCalls
    },
    get isStopped() {
      return isStopped
    },
    push(token) {
      if (isStopped) return []
      if (hasLogProbs) logProbs.push(describe(token))
      const result = matcher.push(detokenizer.push(token.id))
      isStopped = result.isStopped
      return say(result.text)
    },
    flush() {
      const rest = isStopped ? [] : say(matcher.push(detokenizer.flush()).text + matcher.flush())
      return [
        ...rest,
        ...(parser?.flush() ?? []).flatMap(toEvents),
        ...(logProbs.length > 0 ? toEvents({ type: "text", text: "" }) : []),
      ]
    },
  }
}
