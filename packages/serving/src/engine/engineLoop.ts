import { Effect } from "effect"
import type { EngineEvent, EngineStatus, ToEngine } from "../protocol.ts"
import { createOutbox } from "./createOutbox.ts"
import type { EngineCore, StepFault } from "./EngineCore.ts"
import type { StepDone } from "./StepDone.ts"

export interface EngineLoopOptions {
  readonly core: EngineCore
  readonly send: (events: readonly EngineEvent[]) => void
  readonly status: () => EngineStatus
  /** Called after each applied step, with what sending took. */
  readonly onStep?: (step: StepDone, sendMs: number) => void
}

/** The engine at work. */
export interface EngineLoop {
  /** Takes a message, at any time between two steps. */
  handle(message: ToEngine): void
  /** Runs until it is drained. */
  readonly run: Effect.Effect<void>
}

/**
 * Creates the loop around the step: steps while there is work, sleeps while there is none, ends when drained.
 *
 * Between two steps the event loop runs once, so that a cancel takes effect within one step. Idle, it waits and polls nothing. Steps are plain
 * calls; Effect wakes for a fault.
 */
export function createEngineLoop({ core, send, status, onStep }: EngineLoopOptions): EngineLoop {
  const outbox = createOutbox(send, () => performance.now())
  let isDraining = false
  /** Goes on stepping; there is none while the loop is busy. */
  let wake: (() => void) | undefined

  const step = (): StepDone | StepFault | undefined => {
    const startMs = performance.now()
    const done = core.step()
    if (done?.type === "done") {
      const doneMs = performance.now()
      outbox.put(done.events, doneMs - startMs)
      onStep?.(done, performance.now() - doneMs)
    } else outbox.flush()
    return done
  }

  /** Steps until one fails; ends with nothing when it is drained. */
  const untilFault = Effect.callback<StepFault | undefined>((resume) => {
    let isInterrupted = false
    const turn = (): void => {
      if (isInterrupted) return
      const result = step()
      if (result?.type === "fault") return resume(Effect.succeed(result))
      if (result !== undefined) return void setImmediate(turn)
      if (isDraining) return resume(Effect.succeed(undefined))
      wake = () => {
        wake = undefined
        setImmediate(turn)
      }
    }
    turn()
    return Effect.sync(() => {
      isInterrupted = true
      wake = undefined
    })
  })

  return {
    handle(message) {
      switch (message.type) {
        case "generate":
          // Its prompt may make the next step a long one.
          outbox.flush()
          send(isDraining ? [refusal(message.requestId)] : core.submit(message))
          break
        case "cancel":
          core.cancel(message.requestId)
          break
        case "status":
          return send([{ type: "status", status: status() }])
        case "drain":
          isDraining = true
      }
      wake?.()
    },
    run: Effect.gen(function* () {
      let numFaults = 0
      let stepOfFault = 0
      for (;;) {
        const fault = yield* untilFault
        if (fault === undefined) return
        // Only a step that fails again, with none between that succeeded, counts.
        numFaults = core.numSteps === stepOfFault ? numFaults + 1 : 1
        stepOfFault = core.numSteps
        send(onStepFault(core, fault, numFaults))
        if (numFaults > 1) numFaults = 0
        yield* letEventsIn
      }
    }),
  }
}

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
