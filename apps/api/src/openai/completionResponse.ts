import type { CompletionEvent, TextLogProb } from "@consilium/serving"
import type { ConsiliumOf, ResponseHead } from "./chatResponse.ts"
import { sseEvent } from "../http/sse.ts"
import { type TextFrame, textFrame } from "./textFrame.ts"
import { usageOf } from "./usage.ts"

type Finish = Extract<CompletionEvent, { type: "finish" }>

/** Returns the server-sent events of a streamed text completion; choices are numbered over all prompts. */
export function completionChunks(
  head: ResponseHead,
  includesUsage: boolean,
  numPrompts: number,
  consiliumOf: ConsiliumOf,
) {
  /** What stands around a choice's plain text. */
  const frames = new Map<number, TextFrame>()
  const finishes: Finish[] = []
  const chunk = (choice: number, text: string, rest: object = {}) => ({
    ...head,
    object: "text_completion",
    choices: [{ index: choice, text, logprobs: null, finish_reason: null, ...rest }],
    ...(includesUsage ? { usage: null } : {}),
  })
  const frameOf = (choice: number): TextFrame => {
    const frame = frames.get(choice) ?? textFrame((text) => chunk(choice, text))
    frames.set(choice, frame)
    return frame
  }
  return {
    /** Returns the text of one event. */
    push(event: CompletionEvent): string {
      const { choice, type } = event
      if (type === "text") {
        if (event.logProbs.length === 0) return frameOf(choice)(event.text)
        return sseEvent(chunk(choice, event.text, { logprobs: logProbs(event.logProbs) }))
      }
      if (type !== "finish") return ""
      finishes.push(event)
      return sseEvent({ ...chunk(choice, "", { finish_reason: event.reason }), consilium: consiliumOf(event) })
    },
    /** Returns the last chunk, where usage was asked for. */
    end: (): string =>
      includesUsage
        ? sseEvent({ ...head, object: "text_completion", choices: [], usage: usageOf(finishes, numPrompts) })
        : "",
  }
}

/** Returns the body of a text completion that is not streamed. */
export function completionBody(
  head: ResponseHead,
  events: readonly CompletionEvent[],
  numPrompts: number,
  consiliumOf: ConsiliumOf,
): object {
  const finishes = events.filter((event) => event.type === "finish")
  const choices = finishes
    .toSorted((a, b) => a.choice - b.choice)
    .map(({ choice, reason }) => {
      const own = events.flatMap((event) => (event.type === "text" && event.choice === choice ? [event] : []))
      const tokens = own.flatMap((event) => event.logProbs)
      return {
        index: choice,
        text: own.map(({ text }) => text).join(""),
        logprobs: tokens.length > 0 ? logProbs(tokens) : null,
        finish_reason: reason,
      }
    })
  return {
    ...head,
    object: "text_completion",
    choices,
    usage: usageOf(finishes, numPrompts),
    consilium: consiliumOf(finishes[0]!),
  }
}

function logProbs(tokens: readonly TextLogProb[]) {
  let offset = 0
  return {
    tokens: tokens.map(({ text }) => text),
    token_logprobs: tokens.map(({ logProb }) => logProb),
    top_logprobs: tokens.map(({ top }) => Object.fromEntries(top.map(({ text, logProb }) => [text, logProb]))),
    text_offset: tokens.map(({ text }) => {
      const at = offset
      offset += text.length
      return at
    }),
  }
}
