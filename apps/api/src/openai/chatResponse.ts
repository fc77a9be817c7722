import type { CompletionEvent, TextLogProb } from "@consilium/serving"
import type { ConsiliumResponse } from "../http/consilium.ts"
import { sseEvent } from "../http/sse.ts"
import { type TextFrame, textFrame } from "./textFrame.ts"
import { usageOf } from "./usage.ts"

type Finish = Extract<CompletionEvent, { type: "finish" }>

/** What every chunk and body of one response begins with. */
export interface ResponseHead {
  readonly id: string
  readonly created: number
  readonly model: string
}

export type ConsiliumOf = (finish: Finish) => ConsiliumResponse

interface StreamedToolCall {
  readonly id: string
  readonly type: "function"
  readonly function: { readonly name: string; arguments: string }
}

/** Returns the server-sent events of a streamed answer, one event of ours after the other. */
export function chatChunks(head: ResponseHead, includesUsage: boolean, consiliumOf: ConsiliumOf) {
  /** Of the choices that have begun: what stands around a piece of plain text, which is most of what is said. */
  const frames = new Map<number, TextFrame>()
  const finishes: Finish[] = []
  const chunk = (choice: number, delta: object, rest: object = {}) => ({
    ...head,
    object: "chat.completion.chunk",
    choices: [{ index: choice, delta, logprobs: null, finish_reason: null, ...rest }],
    ...(includesUsage ? { usage: null } : {}),
  })
  const frameOf = (choice: number): TextFrame => {
    const frame = textFrame((content) => chunk(choice, { content }))
    frames.set(choice, frame)
    return frame
  }
  const say = (event: CompletionEvent, frame: TextFrame): string => {
    const { choice } = event
    switch (event.type) {
      case "text":
        if (event.logProbs.length === 0) return frame(event.text)
        return sseEvent(chunk(choice, { content: event.text }, { logprobs: logProbs(event.logProbs) }))
      case "tool-call": {
        const { index, id, name } = event
        const call = { index, id, type: "function", function: { name, arguments: "" } }
        return sseEvent(chunk(choice, { tool_calls: [call] }))
      }
      case "tool-arguments":
        return sseEvent(chunk(choice, { tool_calls: [{ index: event.index, function: { arguments: event.delta } }] }))
      case "finish":
        finishes.push(event)
        return sseEvent({ ...chunk(choice, {}, { finish_reason: event.reason }), consilium: consiliumOf(event) })
    }
  }

  return {
    /** Returns the text of one event; a choice's first begins with its role. */
    push(event: CompletionEvent): string {
      const { choice } = event
      const frame = frames.get(choice)
      if (frame !== undefined) return say(event, frame)
      return sseEvent(chunk(choice, { role: "assistant", content: "" })) + say(event, frameOf(choice))
    },
    /** Returns the last chunk, where usage was asked for. */
    end: (): string =>
      includesUsage
        ? sseEvent({ ...head, object: "chat.completion.chunk", choices: [], usage: usageOf(finishes) })
        : "",
  }
}

/** Returns the body of an answer that is not streamed. */
export function chatBody(head: ResponseHead, events: readonly CompletionEvent[], consiliumOf: ConsiliumOf): object {
  const finishes = events.filter((event) => event.type === "finish")
  const choices = finishes
    .toSorted((a, b) => a.choice - b.choice)
    .map(({ choice, reason }) => {
      const own = events.filter((event) => event.choice === choice)
      const text = own.map((event) => (event.type === "text" ? event.text : "")).join("")
      const toolCalls = toolCallsOf(own)
      const tokens = own.flatMap((event) => (event.type === "text" ? event.logProbs : []))
      return {
        index: choice,
        message: {
          role: "assistant",
          content: text === "" && toolCalls.length > 0 ? null : text,
          refusal: null,
          ...(toolCalls.length > 0 ? { tool_calls: toolCalls } : {}),
        },
        logprobs: tokens.length > 0 ? logProbs(tokens) : null,
        finish_reason: reason,
      }
    })
  return { ...head, object: "chat.completion", choices, usage: usageOf(finishes), consilium: consiliumOf(finishes[0]!) }
}

function toolCallsOf(events: readonly CompletionEvent[]): StreamedToolCall[] {
  const calls: StreamedToolCall[] = []
  for (const event of events) {
    if (event.type === "tool-call")
      calls[event.index] = { id: event.id, type: "function", function: { name: event.name, arguments: "" } }
    if (event.type === "tool-arguments") calls[event.index]!.function.arguments += event.delta
  }
  return calls
}

function logProbs(tokens: readonly TextLogProb[]) {
  const described = ({ text, bytes, logProb }: Omit<TextLogProb, "top">) => ({ token: text, logprob: logProb, bytes })
  return {
    content: tokens.map((token) => ({ ...described(token), top_logprobs: token.top.map(described) })),
    refusal: null,
  }
}
