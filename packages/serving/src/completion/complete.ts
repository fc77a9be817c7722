import { Effect, Stream } from "effect"
import type { EngineApi, GenerateEvent } from "../client/EngineApi.ts"
import type { EngineError } from "../client/EngineError.ts"
import type { EngineUsage, RoutingTrace } from "../protocol.ts"
import { createAnswerText } from "./AnswerText.ts"
import type { CompletionEvent, CompletionRequest } from "./Completion.ts"
import { encodePrompt, PromptError } from "./encodePrompt.ts"
import type { ModelText } from "./ModelText.ts"

export interface CompletionDeps {
  readonly engine: EngineApi
  readonly text: ModelText
}

/** Seeds that are drawn for requests without one. */
const MAX_SEED = 2 ** 32

/**
 * Answers a request: prompt → ids → engine → text, the choices side by side.
 *
 * Interrupting the stream cancels every choice. A stop string cancels its choice in the engine; what came after it is discarded.
 */
export function complete(
  request: CompletionRequest,
  { engine, text }: CompletionDeps,
): Stream.Stream<CompletionEvent, EngineError | PromptError> {
  return Stream.unwrap(
    Effect.gen(function* () {
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
        answer(choice, ids, seed, request, { engine, text }),
      )
      return Stream.mergeAll(choices, { concurrency: "unbounded" })
    }),
  )
}

/** One choice, from its first token to its `finish`. */
function answer(
  choice: number,
  ids: readonly number[],
  seed: number,
  request: CompletionRequest,
  { engine, text }: CompletionDeps,
): Stream.Stream<CompletionEvent, EngineError> {
  const { requestId, sampling, maxTokens, stop, numTopLogProbs, trace, prompt } = request
  const hasTools = prompt.kind === "chat" && prompt.tools.length > 0 && text.template?.hasTools === true
  const answerText = createAnswerText(text, {
    choice,
    continues: prompt.kind !== "chat",
    stop,
    hasTools,
    hasLogProbs: numTopLogProbs !== undefined,
  })
  const traces: RoutingTrace[] = []
  let numTokens = 0
  let startedMs = performance.now()
  let firstTokenMs = startedMs

  const finish = (
    reason: "stop" | "length",
    usage: EngineUsage,
    degraded: Extract<CompletionEvent, { type: "finish" }>["degraded"],
  ): CompletionEvent => ({
    type: "finish",
    choice,
    reason: answerText.numCalls > 0 && reason === "stop" ? "tool_calls" : reason,
    usage,
    degraded,
    trace: trace ? traces : undefined,
  })

  const onEvent = (event: GenerateEvent): CompletionEvent[] => {
    if (event.type === "done") return [...answerText.flush(), finish(event.reason, event.usage, event.degraded)]
    if (event.trace !== undefined) traces.push(event.trace)
    if (numTokens === 0) firstTokenMs = performance.now()
    numTokens += event.tokens.length
    const events: CompletionEvent[] = event.tokens.flatMap((token) => answerText.push(token))
    if (!answerText.isStopped) return events
    // The engine is told by the stream's end; its own count would come too late.
    const usage = {
      promptTokens: ids.length,
      cachedTokens: 0,
      generatedTokens: numTokens,
      queueMs: 0,
      prefillMs: firstTokenMs - startedMs,
      decodeMs: performance.now() - firstTokenMs,
    }
    return [...events, ...answerText.flush(), finish("stop", usage, [])]
  }

  return engine
    .generate({
      requestId: `${requestId}-${choice}`,
      ids,
      sampling,
      seed,
      choice,
      maxTokens: maxTokens ?? Number.MAX_SAFE_INTEGER,
      stopIds: text.eosIds,
      ...(numTopLogProbs === undefined ? {} : { numTopLogProbs }),
      trace,
    })
    .pipe(
      Stream.onStart(Effect.sync(() => void (startedMs = performance.now()))),
      Stream.map(onEvent),
      Stream.flatMap((events) => Stream.fromIterable(events)),
      Stream.takeUntil(({ type }) => type === "finish"),
    )
}
