import { AgentModelError, createEngineModel } from "@consilium/agent"
import {
  complete,
  type CompletionEvent,
  type CompletionRequest,
  type EngineError,
  type PromptError,
} from "@consilium/serving"
import { Effect } from "effect"
import { ApiError } from "../http/ApiError.ts"
import { outcomeOf } from "../http/outcomeOf.ts"
import type { RequestCosts } from "../http/RequestCosts.ts"
import type { ServiceDeps } from "../http/ServiceDeps.ts"
import type { ServiceMetrics } from "../http/ServiceMetrics.ts"
import type { AgentCaller, ModelOfRun, Warn } from "./AgentService.ts"
import { createStepClock } from "./createStepClock.ts"

interface Deps extends Pick<ServiceDeps, "engine" | "text" | "modelId" | "costs" | "noteRequest"> {
  readonly metrics: Pick<ServiceMetrics, "observe" | "observeGap">
}

type Failure = EngineError | PromptError | ApiError

interface Account {
  readonly agent: string
  readonly caller: AgentCaller
  readonly warn: Warn
}

/** Returns what gives runs the one model that is served; each of their steps is a request of its own to engine, ledger and figures. */
export const createServedModels =
  ({ engine, text, modelId, costs, metrics, noteRequest }: Deps): ModelOfRun =>
  ({ agent, caller, contextLength = Number.POSITIVE_INFINITY, warn }) =>
    Effect.andThen(engine.admission, engine.ready).pipe(
      Effect.map((status) => {
        const context = Math.min(status.contextLength, contextLength)
        const run = (
          request: CompletionRequest,
          hear: (event: CompletionEvent) => void,
        ): Effect.Effect<void, Failure> => {
          noteRequest()
          const clock = createStepClock(metrics.observeGap)
          const tell = (event: CompletionEvent): void => {
            clock.hear(event)
            if (event.type === "finish") metrics.observe(event, clock.timing(event.usage.generatedTokens))
            hear(event)
          }
          if (costs === undefined) return complete(request, { engine, text }, tell)
          return billed({ text, costs, contextLength: status.contextLength }, { agent, caller, warn }, request, tell)
        }
        const price = costs && { price: costs.price }
        return createEngineModel(modelId, { engine, text, contextLength: context, complete: run, ...price })
      }),
      Effect.mapError((cause) => new AgentModelError({ message: cause.message, cause })),
    )

/** Answers a step on its caller's account, recorded however it ends. */
function billed(
  { text, costs, contextLength }: Pick<Deps, "text"> & { readonly costs: RequestCosts; readonly contextLength: number },
  { agent, caller, warn }: Account,
  request: CompletionRequest,
  hear: (event: CompletionEvent) => void,
): Effect.Effect<void, Failure> {
  const open = Effect.try({
    try: () =>
      costs.open({ requestId: request.requestId, account: { ...caller, agent }, requests: [request], contextLength }),
    catch: (error) => {
      if (error instanceof ApiError) return error
      throw error
    },
  })
  return Effect.flatMap(open, (bill) => {
    warn(bill.headers)
    return complete(request, { engine: bill.engine, text }, (event) => {
      if (event.type === "finish") bill.noteUsage(event.choice, event.usage)
      hear(event)
    }).pipe(Effect.onExit((exit) => Effect.sync(() => bill.close(outcomeOf(exit)))))
  })
}
