import { complete, type CompletionRequest, createEngineMeters, EngineError, PromptError } from "@consilium/serving"
import { Effect } from "effect"
import { ExpertFailure, type FailureKind } from "../ExpertFailure.ts"
import type { FleetExpert } from "../FleetExpert.ts"
import type { EngineExpertConfig } from "../config/FleetConfig.ts"
import type { LocalEngines, LocalModel } from "./LocalEngines.ts"

/** What an engine's failure says of the expert. */
const KINDS = {
  "context-overflow": "bad-request",
  "bad-request": "bad-request",
  "queue-full": "rate-limited",
  "not-ready": "unavailable",
  draining: "unavailable",
  "engine-failed": "server-error",
  internal: "server-error",
} as const satisfies Readonly<Record<EngineError["code"] | PromptError["code"], FailureKind>>

/** An expert whose model our own engine serves: it is woken when it is wanted, and goes on with any answer. */
export function createLocalExpert(
  { name, limits }: Pick<EngineExpertConfig, "name" | "limits">,
  { text, expertBytesPerToken, options }: LocalModel,
  engines: LocalEngines,
): FleetExpert {
  const { numThreads, numSlots } = options.start
  const beginMeter = createEngineMeters({ numThreads, numSlots, expertBytesPerToken })
  let backend = "asleep"
  return {
    continues: true,
    backend: () => backend,
    answer: ({ messages, tools, prefix, maxTokens, ...request }, say, notes) =>
      engines.withAwake(name, (engine) =>
        Effect.gen(function* () {
          notes.begin()
          ;({ backend } = yield* engine.ready)
          const asked: CompletionRequest = {
            ...request,
            maxTokens: Math.min(maxTokens ?? Number.MAX_SAFE_INTEGER, limits.maxTokens),
            prompt: { kind: "chat", messages, tools, ...(prefix === "" ? {} : { answered: prefix }) },
          }
          const meter = beginMeter(engine, [asked])
          const hear: typeof say = (event) => {
            if (event.type === "finish") meter.noteUsage(event.choice, event.usage)
            say(event)
          }
          yield* Effect.ensuring(
            complete(asked, { engine: meter.engine, text }, hear),
            Effect.sync(() => notes.use(meter.use())),
          )
        }).pipe(Effect.mapError(asFailure)),
      ),
  }
}

function asFailure({ code, message }: EngineError | PromptError): ExpertFailure {
  return new ExpertFailure({ kind: KINDS[code], message })
}
