import { createDetokenizer, createStopMatcher, createToolCallParser } from "@consilium/model"
import type { GeneratedToken } from "../protocol.ts"
import type { CompletionEvent, TextLogProb } from "./Completion.ts"
import type { ModelText } from "./ModelText.ts"

type AnswerEvent = Extract<CompletionEvent, { type: "text" | "tool-call" | "tool-arguments" }>
type ParserEvent = ReturnType<ReturnType<typeof createToolCallParser>["push"]>[number]

/** Turns one choice's tokens into events: detokenised, cut at stop strings, tool calls told apart. */
export interface AnswerText {
  readonly numCalls: number
  /** A stop string has been found: nothing after it counts. */
  readonly isStopped: boolean
  push(token: GeneratedToken): void
  /** Says what is left when the answer ends. */
  flush(): void
}

export interface AnswerOptions {
  readonly choice: number
  /** The answer goes on with the prompt's text, rather than beginning one. */
  readonly continues: boolean
  readonly stop: readonly string[]
  readonly hasTools: boolean
  readonly hasLogProbs: boolean
}

const NO_LOG_PROBS: readonly TextLogProb[] = []

/** @param say called with each event as soon as it is certain */
export function createAnswerText(
  { tokenizer }: ModelText,
  { choice, continues, stop, hasTools, hasLogProbs }: AnswerOptions,
  say: (event: AnswerEvent) => void,
): AnswerText {
  const detokenizer = createDetokenizer(tokenizer, { continues })
  const matcher = stop.length > 0 ? createStopMatcher(stop) : undefined
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
  const sayFree = (text: string): void => {
    numFree += text.length
    while (held.length > 0 && held[0]!.start < numFree) logProbs.push(held.shift()!.logProb)
    if (parser === undefined) sayText(text)
    else for (const event of parser.push(text)) sayParsed(event)
  }
  const sayText = (text: string): void => {
    if (text === "" && logProbs.length === 0) return
    say({ type: "text", choice, text, logProbs: logProbs.length === 0 ? NO_LOG_PROBS : logProbs })
    if (logProbs.length > 0) logProbs = []
  }
  const sayParsed = (event: ParserEvent): void => {
    switch (event.type) {
      case "call": {
        const id = `call_${crypto.randomUUID().replaceAll("-", "").slice(0, 24)}`
        return say({ type: "tool-call", choice, index: numCalls++, id, name: event.name })
      }
      case "arguments":
        return say({ type: "tool-arguments", choice, index: numCalls - 1, delta: event.delta })
      case "text":
        return sayText(event.text)
    }
  }
  /** Returns what of a text is free of stop strings. */
  const match = (text: string): string => {
    if (matcher === undefined) return text
    const result = matcher.push(text)
    isStopped = result.isStopped
    return result.text
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
      if (isStopped) return
      const text = detokenizer.push(token.id)
      if (hasLogProbs) held.push({ start: numDetokenized, logProb: describe(token) })
      numDetokenized += text.length
      sayFree(match(text))
    },
    flush() {
      if (!isStopped) {
        const text = match(detokenizer.flush())
        sayFree(isStopped ? text : text + (matcher?.flush() ?? ""))
      }
      for (const event of parser?.flush() ?? []) sayParsed(event)
      // Tokens without text at the end of an answer belong to it, those of a stop string do not.
      if (!isStopped) logProbs.push(...held.splice(0).map(({ logProb }) => logProb))
      sayText("")
    },
  }
}
