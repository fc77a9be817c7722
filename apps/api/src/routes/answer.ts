import { keyIdOf } from "@consilium/cost"
import { complete, type CompletionDeps, type CompletionEvent, type CompletionRequest } from "@consilium/serving"
import { Cause, Effect, Exit } from "effect"
import { createAnswerClock } from "../http/AnswerClock.ts"
import { bearerOf } from "../http/authorize.ts"
import type { ConsiliumRequest, ConsiliumResponse } from "../http/consilium.ts"
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
  readonly consilium: ConsiliumRequest
  readonly request: Request
}

/** Answers a request in the form that its route wants, streamed or whole. */
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
  const headers = { "x-request-id": requestId, ...bill?.headers }
  const numChoices = requests.reduce((sum, request) => sum + request.numChoices, 0)
  const clocks = Array.from({ length: numChoices }, () => createAnswerClock(arrivedMs))
  const consiliumOf: ConsiliumOf = ({ choice, usage, degraded, trace }): ConsiliumResponse => ({
    requestId,
    backend,
    timing: { queueMs: usage.queueMs, ...clocks[choice]!.timing(usage.generatedTokens) },
    degraded,
    ...(bill && { cost: { usd: bill.costUsd() } }),
    ...(trace && { trace }),
  })
  const measure = (event: CompletionEvent): void => {
    const clock = clocks[event.choice]!
    if (event.type === "finish") {
      bill?.noteUsage(event.choice, event.usage)
      return deps.metrics.observe(event, clock.timing(event.usage.generatedTokens))
    }
    const gapMs = clock.tick()
    if (gapMs !== undefined) deps.metrics.observeGap(gapMs)
  }
  const run = (say: (event: CompletionEvent) => void) =>
    Effect.onExit(completeAll({ text: deps.text, engine: bill?.engine ?? deps.engine }, requests, say), (exit) =>
      Effect.sync(() => bill?.close(outcomeOf(exit))),
    )

  if (!isStream) {
    const events: CompletionEvent[] = []
    const collect = (event: CompletionEvent): void => {
      measure(event)
      events.push(event)
    }
    await runForRequest(run(collect), signal)
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
        run(say),
        Effect.sync(() => write(chunks.end())),
      )
    },
    { signal, headers },
  )
}

/** The engine's status; a request does not wait for a model that is loading, it is told so. */
const readyStatus = ({ engine }: ServiceDeps) => Effect.andThen(engine.admission, engine.ready)

function outcomeOf(exit: Exit.Exit<unknown, unknown>): "done" | "failed" | "cancelled" {
  if (Exit.isSuccess(exit)) return "done"
  return Cause.hasInterruptsOnly(exit.cause) ? "cancelled" : "failed"
}

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
