import { complete, type CompletionEvent, type CompletionRequest } from "@consilium/serving"
import { Effect } from "effect"
import type { ServiceDeps } from "../http/ServiceDeps.ts"
import { runForRequest } from "../http/sse.ts"
import { type AnswerForm, respond } from "./respond.ts"

export interface AnswerOptions {
  readonly requestId: string
  readonly isStream: boolean
  /** Several prompts of one request are answered side by side; their choices are numbered through. */
  readonly requests: readonly CompletionRequest[]
  readonly form: AnswerForm
  readonly signal: AbortSignal
}

/** Answers a request by the served model, in the form that its route wants. */
export async function answer(
  deps: ServiceDeps,
  { requestId, isStream, requests, form, signal }: AnswerOptions,
): Promise<Response> {
  const arrivedMs = performance.now()
  deps.noteRequest()
  const { backend } = await runForRequest(readyStatus(deps), signal)
  return respond({
    arrivedMs,
    isStream,
    numChoices: requests.reduce((sum, request) => sum + request.numChoices, 0),
    form,
    signal,
    headers: () => ({ "x-request-id": requestId }),
    consiliumOf: ({ usage, degraded, trace }, timing) => ({
      requestId,
      backend,
      timing: { queueMs: usage.queueMs, ...timing },
      degraded,
      ...(trace && { trace }),
    }),
    observe: deps.metrics.observe,
    observeGap: deps.metrics.observeGap,
    run: (say) => completeAll(deps, requests, say),
  })
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
