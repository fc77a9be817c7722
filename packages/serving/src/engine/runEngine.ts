import type { DeviceTier } from "@consilium/gpu"
import { Effect, Schema } from "effect"
import { type EngineEvent, type EngineStatus, PROTOCOL_VERSION, type ToEngine, ToEngineEnvelope } from "../protocol.ts"
import type { EngineExperts } from "../store/createEngineExperts.ts"
import { countTokensPerExpert, describeStep } from "./describeStep.ts"
import { type CoreExperts, createEngineCore } from "./EngineCore.ts"
import { createEngineLoop } from "./engineLoop.ts"
import type { EngineStart } from "./EngineStart.ts"
import type { StepDone } from "./StepDone.ts"
import type { StepModel } from "./StepModel.ts"

/** A model as a running engine needs it. */
export interface RunnableModel {
  readonly model: StepModel
  readonly backend: string
  readonly format: string
  readonly weightBytes: number
  readonly isSecondBest: boolean
  readonly experts: EngineExperts | undefined
  /** A GPU, tended between steps. */
  readonly device: DeviceTier | undefined
}

/** Sends events to the parent, those of one call in one message. */
export function sendEvents(events: readonly EngineEvent[]): void {
  if (events.length > 0) process.send?.({ version: PROTOCOL_VERSION, events })
}

const decode = Schema.decodeUnknownSync(ToEngineEnvelope)

function decodeOrExit(envelope: unknown): ToEngine {
  try {
    return decode(envelope).message
  } catch (error) {
    sendEvents([
      {
        type: "fatal",
        message: `the engine was sent what it does not know: ${(error as Error).message}`,
      },
    ])
    return process.exit(1)
  }
}

/** Runs the engine until it is drained. Messages of the parent are decoded here; one that is malformed ends the process. */
export const runEngine = Effect.fnUntraced(function* (
  start: EngineStart,
  { model, backend, format, weightBytes, isSecondBest, experts, device }: RunnableModel,
) {
  const core = createEngineCore({
    model,
    maxWaiting: start.maxWaiting,
    nowMs: () => performance.now(),
    ...(experts === undefined ? {} : { experts: coreExperts(experts) }),
  })
  const status = (): EngineStatus => ({
    modelId: start.modelId,
    backend,
    format,
    numSlots: model.numSlots,
    contextLength: model.capacity,
    numRunning: core.numRunning,
    numWaiting: core.numWaiting,
    steps: core.numSteps,
    numTokens: core.numTokens,
    residentBytes: process.memoryUsage.rss(),
    weightBytes,
    isSecondBest,
  })
  const onStep = (step: StepDone, sendMs: number): void => {
    const tokensPerExpert = countTokensPerExpert(model)
    console.error(describeStep(step, { numSteps: core.numSteps, sendMs, tokensPerExpert }))
  }
  const loop = createEngineLoop({
    core,
    send: sendEvents,
    status,
    ...(experts === undefined ? {} : { experts }),
    ...(device === undefined ? {} : { device }),
    ...(start.debug >= 2 ? { onStep } : {}),
  })

  const onMessage = (envelope: unknown): void => loop.handle(decodeOrExit(envelope))
  yield* Effect.acquireRelease(
    Effect.sync(() => process.on("message", onMessage)),
    () => Effect.sync(() => process.off("message", onMessage)),
  )
  sendEvents([{ type: "ready", status: status() }])
  yield* loop.run
})

/** What the core needs of the experts. */
function coreExperts({ versions, stepDone }: EngineExperts): CoreExperts {
  const { enter, join, leave, setRows } = versions
  return { enter, join, leave, setRows, stepDone }
}
