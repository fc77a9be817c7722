import { complete, type CompletionEvent, type CompletionRequest } from "@consilium/serving"
import { Effect } from "effect"
import { createAnswerClock } from "../http/AnswerClock.ts"
import type { ConsiliumResponse } from "../http/consilium.ts"
import type { ServiceDeps } from "../http/ServiceDeps.ts"
import { runForRequest, sseResponse } from "../http/sse.ts"
import type { ConsiliumOf } from "../openai/chatResponse.ts"

/** Makes the wire form of one response: server-sent events, or one body. */
interface AnswerForm {
  readonly chunks: (consiliumOf: ConsiliumOf) => { push(event: CompletionEvent): string; end(): string }
  readonly body: (events: readonly CompletionEvent[], consiliumOf: ConsiliumOf) => object
}

export interface AnswerOptions {
  readonly requestId: string
  readonly isStream: boolean
  /** Several prompts of one request are answered side by side; their choices are numbered through. */
  readonly requests: readonly CompletionRequest[]
  readonly form: AnswerForm
  readonly signal: AbortSignal
}

/** Answers a request in the form that its route wants, streamed or whole. */
export async function answer(
  deps: ServiceDeps,
  { requestId, isStream, requests, form, signal }: AnswerOptions,
): Promise<Response> {
  const arrivedMs = performance.now()
  deps.noteRequest()
  const { backend } = await runForRequest(readyStatus(deps), signal)
  const headers = { "x-request-id": requestId }
  const numChoices = requests.reduce((sum, request) => sum + request.numChoices, 0)
  const clocks = Array.from({ length: numChoices }, () => createAnswerClock(arrivedMs))
  const consiliumOf: ConsiliumOf = ({ choice, usage, degraded, trace }): ConsiliumResponse => ({
    requestId,
    backend,
    timing: { queueMs: usage.queueMs, ...clocks[choice]!.timing(usage.generatedTokens) },
    degraded,
    ...(trace && { trace }),
  })
  const measure = (event: CompletionEvent): void => {
    const clock = clocks[event.choice]!
    if (event.type === "finish") return deps.metrics.observe(event, clock.timing(event.usage.generatedTokens))
    const gapMs = clock.tick()
    if (gapMs !== undefined) deps.metrics.observeGap(gapMs)
  }

  if (!isStream) {
    const events: CompletionEvent[] = []
    const collect = (event: CompletionEvent): void => {
      measure(event)
      events.push(event)
    }
    await runForRequest(completeAll(deps, requests, collect), signal)
    return Response.json(form.body(events, consiliumOf), { headers })
  }
  const chunks = form.chunks(consiliumOf)
  return sseResponse(
    (write) => {
      const say = (event: CompletionEvent): void => {
        measure(event)
        write(chunks.push(event))
      }
      return Effect.tap(
        completeAll(deps, requests, say),
        Effect.sync(() => write(chunks.end())),
      )
    },
    { signal, headers },
  )
}

/** The engine's status; a request does not wait for a model that is loading, it is told so. */
const readyStatus = ({ engine }: ServiceDeps) => Effect.andThen(engine.admission, engine.ready)

/** Answers all prompts of a request side by side. */
function completeAll(deps: ServiceDeps, requests: readonly CompletionRequest[], say: (event: CompletionEvent) => void) {
  let offset = 0
  const all = requests.map((request) => {
    const first = offset
    offset += request.numChoices
    return complete(request, deps, (event) => say(first === 0 ? event : { ...event, choice: event.choice + first }))
  })
  return Effect.all(all, { concurrency: "unbounded", discard: true })
}
