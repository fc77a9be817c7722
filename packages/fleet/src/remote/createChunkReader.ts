import type { CompletionEvent, EngineUsage } from "@consilium/serving"
import { ExpertFailure } from "../ExpertFailure.ts"
import type { RemoteChoice, RemoteChunk, RemoteUsage, ToolCallPart } from "./RemoteChunk.ts"

type FinishReason = Extract<CompletionEvent, { type: "finish" }>["reason"]

/** Turns a peer's pieces of an answer into events. What it says past a choice's end, or of choices that nobody asked for, does not count. */
export interface ChunkReader {
  push(chunk: RemoteChunk): void
  /** Says the end of each choice. @throws ExpertFailure where one has none */
  end(usage: Omit<EngineUsage, "promptTokens" | "cachedTokens" | "generatedTokens">): void
}

const REASONS: Readonly<Record<string, FinishReason>> = {
  stop: "stop",
  length: "length",
  tool_calls: "tool_calls",
  function_call: "tool_calls",
  content_filter: "stop",
}
const MOST_CALLS = 128

interface ChoiceState {
  reason: FinishReason | undefined
  numCalls: number
  numPieces: number
}

/** @param promptTokens an estimate, where the peer says none */
export function createChunkReader(
  numChoices: number,
  promptTokens: number,
  say: (event: CompletionEvent) => void,
): ChunkReader {
  const states = Array.from({ length: numChoices }, (): ChoiceState => ({
    reason: undefined,
    numCalls: 0,
    numPieces: 0,
  }))
  let usage: RemoteUsage | undefined

  const pushChoice = (choice: RemoteChoice): void => {
    const index = choice.index ?? 0
    const state = states[index]
    if (state === undefined || state.reason !== undefined) return
    const said = choice.delta ?? choice.message
    const text = said?.content ?? ""
    if (text !== "") {
      state.numPieces++
      say({ type: "text", choice: index, text, logProbs: [] })
    }
    for (const part of said?.tool_calls ?? []) pushCall(state, index, part, say)
    if (typeof choice.finish_reason === "string") state.reason = REASONS[choice.finish_reason] ?? "stop"
  }

  return {
    push(chunk) {
      chunk.choices.forEach(pushChoice)
      usage = chunk.usage ?? usage
    },
    end(times) {
      const told = usage
      states.forEach(({ reason, numPieces }, choice) => {
        if (reason === undefined)
          throw new ExpertFailure({ kind: "cut-stream", message: "the answer ended without its end" })
        const cachedTokens = Math.min(told?.prompt_tokens_details?.cached_tokens ?? 0, told?.prompt_tokens ?? 0)
        // A peer counts all choices together.
        const generatedTokens = told === undefined ? numPieces : Math.round(told.completion_tokens / numChoices)
        const own = { promptTokens: told?.prompt_tokens ?? promptTokens, cachedTokens, generatedTokens }
        say({ type: "finish", choice, reason, usage: { ...own, ...times }, degraded: [], trace: undefined })
      })
    },
  }
}

/** A call begins with its name; its arguments follow in pieces. */
function pushCall(state: ChoiceState, choice: number, part: ToolCallPart, say: (event: CompletionEvent) => void): void {
  const index = part.index ?? state.numCalls
  const name = part.function?.name ?? undefined
  const bad = (found: string): ExpertFailure =>
    new ExpertFailure({ kind: "bad-answer", message: `expected tool calls one after the other, found ${found}` })
  if (index > state.numCalls || index >= MOST_CALLS) throw bad(`call ${index} after ${state.numCalls}`)
  if (index === state.numCalls) {
    if (name === undefined || !/^[\w.-]{1,64}$/.test(name)) throw bad("one without a name")
    state.numCalls++
    const id = part.id ?? `call_${crypto.randomUUID().replaceAll("-", "").slice(0, 24)}`
    say({ type: "tool-call", choice, index, id: id.slice(0, 128), name })
  }
  const delta = part.function?.arguments ?? ""
  if (delta !== "") say({ type: "tool-arguments", choice, index, delta })
}
