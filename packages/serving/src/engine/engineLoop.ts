import { StateLostError } from "@consilium/kernels"
import { Effect } from "effect"
import type { Climb, EngineExperts } from "../store/createEngineExperts.ts"
import type { EngineEvent, EngineStatus, ToEngine } from "../protocol.ts"
import { createOutbox } from "./createOutbox.ts"
import type { EngineCore, StepFault } from "./EngineCore.ts"
import type { StepDone } from "./StepDone.ts"

/** Steps without tokens, long prompts above all, say so often that the engine is at work. */
const ALIVE_MS = 250
/** How often at most experts are tended. */
const TEND_MS = 250
/** A timer rests no longer. */
const MOST_REST_MS = 3_600_000
/** Losses of a device's state in a row, without a step between them, until requests are given up: one that is lost each time is no use. */
const MOST_LOSSES = 16
/** How often a command that waits for reads is looked after, while nothing runs. */
const POLL_MS = 2

export interface EngineLoopOptions {
  readonly core: EngineCore
  /** The failover ladder, and what is due between steps; absent where no layer has experts. */
  readonly experts?: Pick<EngineExperts, "climb" | "tend" | "takeSpoiled" | "control" | "versions" | "keeper">
  /** What computes beside the processor, and may be lost: tended between steps. */
  readonly device?: { tend(): number }
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
export function createEngineLoop({ core, experts, device, send, status, onStep }: EngineLoopOptions): EngineLoop {
  const outbox = createOutbox(send, () => performance.now())
  let isDraining = false
  let sentMs = 0
  let tendedMs = 0
  let timer: NodeJS.Timeout | undefined
  /** Goes on stepping; there is none while the loop is busy. */
  let wake: (() => void) | undefined

  const step = (): StepDone | StepFault | undefined => {
    const startMs = performance.now()
    const done = core.step()
    if (done?.type === "done") {
      const doneMs = performance.now()
      outbox.put(done.events, doneMs - startMs)
      if (done.events.length > 0) sentMs = doneMs
      else if (doneMs - sentMs > ALIVE_MS) {
        sentMs = doneMs
        send([{ type: "alive" }])
      }
      follow()
      if (doneMs - tendedMs >= TEND_MS) tend(doneMs)
      onStep?.(done, performance.now() - doneMs)
    } else outbox.flush()
    return done
  }

  /** Carries out what versions of experts, and a plan, wait for. */
  const follow = (): void => {
    experts?.versions.settle()
    experts?.keeper.settle()
    const epoch = experts?.versions.takeMove()
    if (epoch !== undefined) core.move(epoch)
  }
  /** Returns milliseconds until more is due. */
  const tend = (nowMs: number): number => {
    tendedMs = nowMs
    const restMs = Math.min(experts?.tend() ?? Number.POSITIVE_INFINITY, device?.tend() ?? Number.POSITIVE_INFINITY)
    if (experts?.takeSpoiled() === true) core.recompute()
    return restMs
  }
  /** While nothing runs, a timer tends when something is due. */
  const rest = (ms: number): void => {
    clearTimeout(timer)
    if (ms === Number.POSITIVE_INFINITY || (experts === undefined && device === undefined)) return
    const waitMs = tendedMs + Math.max(ms, TEND_MS) - performance.now()
    timer = setTimeout(tendAtRest, Math.min(Math.max(waitMs, 0), MOST_REST_MS)).unref()
  }
  const tendAtRest = (): void => {
    if (wake !== undefined) rest(tend(performance.now()))
  }
  /** Answers when it is carried out; what takes a while goes on between steps, or by itself while there are none. */
  const carryOut = async (message: Extract<ToEngine, { type: "control" }>): Promise<void> => {
    const poll = setInterval(() => wake !== undefined && follow(), POLL_MS)
    const answer = await answerControl(experts, message)
    clearInterval(poll)
    if (wake !== undefined) rest(0)
    send([answer])
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
      rest(0)
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
        case "control":
          return void carryOut(message)
        case "drain":
          isDraining = true
      }
      wake?.()
    },
    run: Effect.gen(function* () {
      let [numFaults, numLosses, stepOfFault] = [0, 0, 0]
      for (;;) {
        const fault = yield* untilFault
        if (fault === undefined) return
        // Only a step that fails again, with none between that succeeded, counts.
        if (core.numSteps !== stepOfFault) numFaults = numLosses = 0
        stepOfFault = core.numSteps
        const isLoss = fault.cause instanceof StateLostError && numLosses++ < MOST_LOSSES
        if (isLoss) core.recompute()
        else numFaults++
        const climb = isLoss ? AGAIN : (experts?.climb(fault.cause) ?? withoutExperts(fault, numFaults))
        if (climb.type === "give-up") {
          send(core.fail(fault.requestIds, climb.message))
          numFaults = 0
        }
        yield* letEventsIn
      }
    }).pipe(Effect.ensuring(Effect.sync(() => clearTimeout(timer)))),
  }
}

const AGAIN: Climb = { type: "again" }

/** Where there are no experts, a failed step runs once more; then its requests end with an error. Nobody else loses anything. */
function withoutExperts({ cause }: StepFault, numFaults: number): Climb {
  if (numFaults === 1) return AGAIN
  return {
    type: "give-up",
    message: `a step failed twice: ${cause instanceof Error ? cause.message : String(cause)}`,
  }
}

async function answerControl(
  experts: Pick<EngineExperts, "control"> | undefined,
  { controlId, command }: Extract<ToEngine, { type: "control" }>,
): Promise<EngineEvent> {
  try {
    if (experts === undefined) throw new RangeError("this model has no experts: all its layers are dense")
    return { type: "control-done", controlId, result: await experts.control(command) }
  } catch (error) {
    const code = error instanceof RangeError ? "bad-request" : "internal"
    return { type: "control-failed", controlId, code, message: (error as Error).message }
  }
}

const letEventsIn: Effect.Effect<void> = Effect.callback((resume) => {
  setImmediate(() => resume(Effect.void))
})

function refusal(requestId: string): EngineEvent {
  return { type: "failed", requestId, code: "internal", message: "the engine is draining" }
}
