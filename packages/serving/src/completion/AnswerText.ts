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
  /** The answer goes on with the prompt's text, rather than beginning one. */
  readonly continues: boolean
  readonly stop: readonly string[]
  readonly hasTools: boolean
  readonly hasLogProbs: boolean
}

export function createAnswerText(
  { tokenizer }: ModelText,
  { choice, continues, stop, hasTools, hasLogProbs }: AnswerOptions,
): AnswerText {
  const detokenizer = createDetokenizer(tokenizer, { continues })
  const matcher = createStopMatcher(stop)
  const parser = hasTools ? createToolCallParser() : undefined
  /** Of tokens whose text has not been found free of stop strings yet, with where it begins. */
  const held: { readonly start: number; readonly logProb: TextLogProb }[] = []
  /** Of tokens whose text goes with the next event. */
  let logProbs: TextLogProb[] = []
  let numDetokenized = 0
  let numFree = 0
  let isStopped = false
  let numCalls = 0

  /** Says text that no stop string reaches into, with the log-probabilities of its tokens. */
  const say = (text: string): AnswerEvent[] => {
    numFree += text.length
    while (held.length > 0 && held[0]!.start < numFree) logProbs.push(held.shift()!.logProb)
    const parsed = parser === undefined ? [{ type: "text", text } as const] : parser.push(text)
    return parsed.flatMap(toEvents)
  }
  const toEvents = (event: ReturnType<NonNullable<typeof parser>["push"]>[number]): AnswerEvent[] => {
    switch (event.type) {
      case "call": {
        const id = `call_${crypto.randomUUID().replaceAll("-", "").slice(0, 24)}`
        return [{ type: "tool-call", choice, index: numCalls++, id, name: event.name }]
      }
      case "arguments":
        return [{ type: "tool-arguments", choice, index: numCalls - 1, delta: event.delta }]
      case "text": {
        if (event.text === "" && logProbs.length === 0) return []
        const said = { type: "text", choice, text: event.text, logProbs } as const
        logProbs = []
        return [said]
      }
    }
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
      const text = detokenizer.push(token.id)
      if (hasLogProbs) held.push({ start: numDetokenized, logProb: describe(token) })
      numDetokenized += text.length
      const result = matcher.push(text)
      isStopped = result.isStopped
      return say(result.text)
    },
    flush() {
      const events: AnswerEvent[] = []
      if (!isStopped) {
        const result = matcher.push(detokenizer.flush())
        isStopped = result.isStopped
        events.push(...say(result.isStopped ? result.text : result.text + matcher.flush()))
      }
      events.push(...(parser?.flush() ?? []).flatMap(toEvents))
      // Tokens without text at the end of an answer belong to it, those of a stop string do not.
      if (!isStopped) logProbs.push(...held.splice(0).map(({ logProb }) => logProb))
      return logProbs.length > 0 ? [...events, ...toEvents({ type: "text", text: "" })] : events
    },
  }
}
