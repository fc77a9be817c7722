import { Effect, Queue } from "effect"
import type { EngineEvent, EngineStatus, ToEngine } from "../protocol.ts"
import type { EngineCore, StepFault } from "./EngineCore.ts"

export interface EngineLoopOptions {
  readonly core: EngineCore
  readonly inbox: Queue.Dequeue<ToEngine>
  readonly send: (events: readonly EngineEvent[]) => void
  readonly status: () => EngineStatus
  /** Called after each applied step. */
  readonly onStep?: (numRows: number, elapsedMs: number) => void
}

/**
 * The loop around the step: takes messages, steps while there is work, sleeps while there is none, ends when drained.
 *
 * Between two steps the event loop runs once, so that a cancel takes effect within one step. Idle, it waits and polls nothing.
 */
export const engineLoop = Effect.fnUntraced(function* ({ core, inbox, send, status, onStep }: EngineLoopOptions) {
  let isDraining = false
  let numFaults = 0

  const handle = (message: ToEngine): void => {
    switch (message.type) {
      case "generate":
        return send(isDraining ? [refusal(message.requestId)] : core.submit(message))
      case "cancel":
        return core.cancel(message.requestId)
      case "status":
        return send([{ type: "status", status: status() }])
      case "drain":
        isDraining = true
    }
  }

  for (;;) {
    const isIdle = core.numRunning + core.numWaiting === 0
    if (isIdle && isDraining) return
    const messages = isIdle ? yield* Queue.takeAll(inbox) : yield* Queue.clear(inbox)
    for (const message of messages) handle(message)

    const started = performance.now()
    const step = core.step()
    if (step === undefined) continue
    if (step.type === "fault") {
      send(onStepFault(core, step, ++numFaults))
      if (numFaults > 1) numFaults = 0
    } else {
      numFaults = 0
      send(step.events)
      onStep?.(step.numRows, performance.now() - started)
    }
    yield* letEventsIn
  }
})

/** Decides what a failed step leads to: the same step once more, then an error for the requests in it. Nobody else loses anything. */
function onStepFault(core: EngineCore, { cause, requestIds }: StepFault, numFaults: number): readonly EngineEvent[] {
  if (numFaults === 1) return []
  return core.fail(requestIds, `a step failed twice: ${cause instanceof Error ? cause.message : String(cause)}`)
}

const letEventsIn: Effect.Effect<void> = Effect.callback((resume) => {
  setImmediate(() => resume(Effect.void))
})

function refusal(requestId: string): EngineEvent {
  return { type: "failed", requestId, code: "internal", message: "the engine is draining" }
}
