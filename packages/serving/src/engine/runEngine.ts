import { Effect, Queue, Schema } from "effect"
import { type EngineEvent, type EngineStatus, PROTOCOL_VERSION, ToEngine, ToEngineEnvelope } from "../protocol.ts"
import { createEngineCore, type StepModel } from "./EngineCore.ts"
import { engineLoop } from "./engineLoop.ts"
import type { EngineStart } from "./EngineStart.ts"

/** Rows of a prefill chunk beside decoding streams: what a stream may be delayed by. */
const MAX_CHUNK_ROWS = 128

/** A model as a running engine needs it. */
export interface RunnableModel {
  readonly model: StepModel
  readonly backend: string
  readonly format: string
  readonly weightBytes: number
}

/** Sends events to the parent, those of one call in one message. */
export function sendEvents(events: readonly EngineEvent[]): void {
  if (events.length > 0) process.send?.({ version: PROTOCOL_VERSION, events })
}

/** Runs the engine until it is drained. Messages of the parent are decoded here; one that is malformed ends the process. */
export const runEngine = Effect.fnUntraced(function* (
  start: EngineStart,
  { model, backend, format, weightBytes }: RunnableModel,
) {
  const inbox = yield* Queue.unbounded<ToEngine>()
  const core = createEngineCore({
    model,
    maxChunkRows: MAX_CHUNK_ROWS,
    maxWaiting: start.maxWaiting,
    nowMs: () => performance.now(),
  })
  const decode = Schema.decodeUnknownSync(ToEngineEnvelope)
  const status = (): EngineStatus => ({
    modelId: start.modelId,
    backend,
    format,
    numSlots: model.numSlots,
    contextLength: model.capacity,
    numRunning: core.numRunning,
    numWaiting: core.numWaiting,
    steps: core.numSteps,
    residentBytes: process.memoryUsage.rss(),
    weightBytes,
  })

  const onMessage = (message: unknown): void => {
    try {
      Queue.offerUnsafe(inbox, decode(message).message)
    } catch (error) {
      sendEvents([{ type: "fatal", message: `the engine was sent what it does not know: ${(error as Error).message}` }])
      process.exit(1)
    }
  }
  yield* Effect.acquireRelease(
    Effect.sync(() => process.on("message", onMessage)),
    () => Effect.sync(() => process.off("message", onMessage)),
  )
  sendEvents([{ type: "ready", status: status() }])

  const onStep = (numRows: number, elapsedMs: number): void => {
    const rate = ((numRows / elapsedMs) * 1000).toFixed(0)
    console.error(
      `step ${core.numSteps}: ${numRows} rows, ${core.numRunning} running, ${elapsedMs.toFixed(1)} ms, ${rate} tok/s`,
    )
  }
  yield* engineLoop({ core, inbox, send: sendEvents, status, ...(start.debug >= 2 ? { onStep } : {}) })
})
