import {
  complete,
  type CompletionEvent,
  type CompletionRequest,
  type EngineError,
  type PromptError,
} from "@consilium/serving"
import { Effect, Stream } from "effect"
import type { ConsiliumOf } from "../openai/chatResponse.ts"
import type { ConsiliumResponse } from "../http/consilium.ts"
import type { ServiceDeps } from "../http/ServiceDeps.ts"
import { runForRequest, sseResponse } from "../http/sse.ts"

/** Makes the wire form of one response: chunks, or one body. */
interface AnswerForm {
  readonly chunks: (consiliumOf: ConsiliumOf) => { push(event: CompletionEvent): object[]; end(): object[] }
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
  const { backend } = await runForRequest(readyStatus(deps), signal)
  const headers = { "x-request-id": requestId }
  const consiliumOf: ConsiliumOf = ({ degraded, trace }): ConsiliumResponse => ({
    requestId,
    backend,
    degraded,
    ...(trace && { trace }),
  })
  const events = eventsOf(deps, requests)

  if (!isStream) {
    const all = await runForRequest(Stream.runCollect(events), signal)
    return Response.json(form.body(all, consiliumOf), { headers })
  }
  const chunks = form.chunks(consiliumOf)
  const streamed = events.pipe(
    Stream.map((event) => chunks.push(event)),
    Stream.concat(Stream.fromEffect(Effect.sync(() => chunks.end()))),
    Stream.flatMap((some) => Stream.fromIterable(some)),
  )
  return sseResponse(streamed, { signal, headers })
}

/** The engine's status; a request does not wait for a model that is loading, it is told so. */
const readyStatus = ({ engine }: ServiceDeps) => Effect.andThen(engine.admission, engine.ready)

function eventsOf(
  deps: ServiceDeps,
  requests: readonly CompletionRequest[],
): Stream.Stream<CompletionEvent, EngineError | PromptError> {
  let offset = 0
  const streams = requests.map((request) => {
    const first = offset
    offset += request.numChoices
    return complete(request, deps).pipe(Stream.map((event) => ({ ...event, choice: event.choice + first })))
  })
  return Stream.mergeAll(streams, { concurrency: "unbounded" }).pipe(
    Stream.tap((event) => Effect.sync(() => event.type === "finish" && deps.metrics.observe(event))),
  )
}
