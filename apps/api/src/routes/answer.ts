import { keyIdOf } from "@consilium/cost"
import { complete, type CompletionDeps, type CompletionEvent, type CompletionRequest } from "@consilium/serving"
import { Effect } from "effect"
import { bearerOf } from "../http/authorize.ts"
import type { ConsiliumRequest } from "../http/consilium.ts"
import { outcomeOf } from "../http/outcomeOf.ts"
import type { ServiceDeps } from "../http/ServiceDeps.ts"
import { runForRequest } from "../http/sse.ts"
import { type AnswerForm, respond } from "./respond.ts"

export interface AnswerOptions {
  readonly requestId: string
  readonly isStream: boolean
  /** Several prompts of one request are answered side by side; their choices are numbered through. */
  readonly requests: readonly CompletionRequest[]
  readonly form: AnswerForm
  readonly consilium: ConsiliumRequest
  readonly request: Request
}

/** Answers a request by the served model, in the form that its route wants. */
export async function answer(
  deps: ServiceDeps,
  { requestId, isStream, requests, form, consilium: { agent, domain }, request }: AnswerOptions,
): Promise<Response> {
  const arrivedMs = performance.now()
  const { signal } = request
  deps.noteRequest()
  const { backend, contextLength } = await runForRequest(readyStatus(deps), signal)
  const account = { key: keyIdOf(bearerOf(request)), agent, domain }
  const bill = deps.costs?.open({ requestId, account, requests, contextLength })
  return respond({
    arrivedMs,
    isStream,
    numChoices: requests.reduce((sum, request) => sum + request.numChoices, 0),
    form,
    signal,
    headers: () => ({ "x-request-id": requestId, ...bill?.headers }),
    consiliumOf: ({ usage, degraded, trace }, timing) => ({
      requestId,
      backend,
      timing: { queueMs: usage.queueMs, ...timing },
      degraded,
      ...(bill && { cost: { usd: bill.costUsd() } }),
      ...(trace && { trace }),
    }),
    observe(finish, timing) {
      bill?.noteUsage(finish.choice, finish.usage)
      deps.metrics.observe(finish, timing)
    },
    observeGap: deps.metrics.observeGap,
    run: (say) =>
      Effect.onExit(completeAll({ text: deps.text, engine: bill?.engine ?? deps.engine }, requests, say), (exit) =>
        Effect.sync(() => bill?.close(outcomeOf(exit))),
      ),
  })
}

/** The engine's status; a request does not wait for a model that is loading, it is told so. */
const readyStatus = ({ engine }: ServiceDeps) => Effect.andThen(engine.admission, engine.ready)

/** Answers all prompts of a request side by side. */
function completeAll(
  deps: CompletionDeps,
  requests: readonly CompletionRequest[],
  say: (event: CompletionEvent) => void,
) {
  let offset = 0
  const all = requests.map((request) => {
    const first = offset
    offset += request.numChoices
    return complete(request, deps, (event) => say(first === 0 ? event : { ...event, choice: event.choice + first }))
  })
  return Effect.all(all, { concurrency: "unbounded", discard: true })
}
