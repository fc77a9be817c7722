import { Deferred, Effect } from "effect"
import type { EngineApi, GenerateEnd, GenerateEvent } from "../client/EngineApi.ts"
import type { EngineError } from "../client/EngineError.ts"
import type { RoutingTrace } from "../protocol.ts"
import { createAnswerText } from "./AnswerText.ts"
import type { CompletionEvent, CompletionRequest } from "./Completion.ts"
import { encodePrompt, PromptError } from "./encodePrompt.ts"
import type { ModelText } from "./ModelText.ts"

export interface CompletionDeps {
  readonly engine: EngineApi
  readonly text: ModelText
}

type Say = (event: CompletionEvent) => void

/** Seeds that are drawn for requests without one. */
const MAX_SEED = 2 ** 32

/**
 * Answers a request: prompt → ids → engine → text, the choices side by side.
 *
 * Interrupting it cancels every choice. A stop string cancels its choice in the engine; what came after it is discarded.
 *
 * @param say called plainly with each event as it comes, from within the engine's message: a token costs no Effect
 */
export const complete = Effect.fnUntraced(function* (
  request: CompletionRequest,
  { engine, text }: CompletionDeps,
  say: Say,
): Effect.fn.Return<void, EngineError | PromptError> {
  const { contextLength } = yield* engine.ready
  const ids = yield* Effect.try({
    try: () => encodePrompt(request.prompt, text, contextLength),
    catch: (error) => {
      if (error instanceof PromptError) return error
      throw error
    },
  })
  const seed = request.seed ?? Math.floor(Math.random() * MAX_SEED)
  const choices = Array.from({ length: request.numChoices }, (_, choice) =>
    answer({ ...request, seed }, ids, choice, { engine, text }, say),
  )
  yield* Effect.all(choices, { concurrency: "unbounded", discard: true })
})

/** One choice, from its first token to its `finish`. */
const answer = Effect.fnUntraced(function* (
  { requestId, prompt, sampling, seed, maxTokens, stop, numTopLogProbs, trace }: CompletionRequest & { seed: number },
  ids: readonly number[],
  choice: number,
  { engine, text }: CompletionDeps,
  say: Say,
): Effect.fn.Return<void, EngineError> {
  const hasTools = prompt.kind === "chat" && prompt.tools.length > 0 && text.template?.hasTools === true
  const options = {
    choice,
    continues: prompt.kind !== "chat" || prompt.answered !== undefined,
    stop,
    hasTools,
    hasLogProbs: numTopLogProbs !== undefined,
  }
  const answerText = createAnswerText(text, options, say)
  const untilStopped = Deferred.makeUnsafe<void>()
  let stopped: Pick<GenerateEnd, "reason" | "usage" | "degraded"> | undefined
  const traces: RoutingTrace[] = []
  let start = { cachedTokens: 0, queueMs: 0, prefillMs: 0 }
  let startedMs = performance.now()
  let numTokens = 0

  const onEvent = (event: GenerateEvent): void => {
    if (event.type === "started") {
      // Not what an engine says that goes on after another: the answer began with the first.
      if (numTokens > 0) return
      const { cachedTokens, queueMs, prefillMs } = event
      start = { cachedTokens, queueMs, prefillMs }
      startedMs = performance.now()
      return
    }
    if (event.trace !== undefined) traces.push(event.trace)
    for (const token of event.tokens) {
      if (answerText.isStopped) break
      answerText.push(token)
      numTokens++
    }
    if (!answerText.isStopped) return
    // The engine's own count would come too late: it is told by the end of `generate`.
    const usage = {
      promptTokens: ids.length,
      generatedTokens: numTokens,
      ...start,
      decodeMs: performance.now() - startedMs,
    }
    stopped ??= { reason: "stop", usage, degraded: [] }
    Deferred.doneUnsafe(untilStopped, Effect.void)
  }

  const request = {
    requestId: `${requestId}-${choice}`,
    ids,
    sampling,
    seed,
    choice,
    maxTokens: maxTokens ?? Number.MAX_SAFE_INTEGER,
    stopIds: text.eosIds,
    ...(numTopLogProbs === undefined ? {} : { numTopLogProbs }),
    trace,
  }
  const ended = yield* Effect.raceFirst(engine.generate(request, onEvent), Deferred.await(untilStopped))
  const { reason, usage, degraded } = stopped ?? ended!
  answerText.flush()
  say({
    type: "finish",
    choice,
    reason: answerText.numCalls > 0 && reason === "stop" ? "tool_calls" : reason,
    usage,
    degraded,
    trace: trace ? traces : undefined,
  })
})
