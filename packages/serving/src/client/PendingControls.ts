import { Effect } from "effect"
import type { ControlCommand, ControlResult } from "../control.ts"
import type { EngineEvent, ToEngine } from "../protocol.ts"
import { EngineError } from "./EngineError.ts"

/** What operators have asked an engine that has not answered yet. */
export interface PendingControls {
  /** Asks through `send`; fails when the engine refuses, or ends before it answers. */
  ask(command: ControlCommand, send: (message: ToEngine) => void): Effect.Effect<ControlResult, EngineError>
  /** Takes an answer; returns whether the event was one. */
  accept(event: EngineEvent): boolean
  failAll(message: string): void
}

export function createPendingControls(): PendingControls {
  const all = new Map<number, (answer: Effect.Effect<ControlResult, EngineError>) => void>()
  let lastId = 0

  const answer = (controlId: number, with_: Effect.Effect<ControlResult, EngineError>): void => {
    const resume = all.get(controlId)
    all.delete(controlId)
    resume?.(with_)
  }

  return {
    ask: (command, send) =>
      Effect.callback((resume) => {
        const controlId = ++lastId
        all.set(controlId, resume)
        send({ type: "control", controlId, command })
        return Effect.sync(() => void all.delete(controlId))
      }),
    accept(event) {
      if (event.type === "control-done") answer(event.controlId, Effect.succeed(event.result))
      else if (event.type === "control-failed") {
        const code = event.code === "internal" ? "internal" : "bad-request"
        answer(event.controlId, Effect.fail(new EngineError({ code, message: event.message })))
      } else return false
      return true
    },
    failAll(message) {
      for (const controlId of all.keys())
        answer(controlId, Effect.fail(new EngineError({ code: "not-ready", message })))
    },
  }
}
