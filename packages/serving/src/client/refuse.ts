import type { EngineState } from "./EngineApi.ts"
import { EngineError } from "./EngineError.ts"

/** Returns why an engine takes no request now; undefined where it does. One that sleeps takes it. */
export function refuse(state: EngineState, isFull: boolean): EngineError | undefined {
  switch (state.phase) {
    case "loading":
      return new EngineError({
        code: "not-ready",
        message: `the model is loading (${state.step})`,
      })
    case "draining":
      return new EngineError({ code: "draining", message: "the service is stopping" })
    case "failed":
      return new EngineError({ code: "engine-failed", message: state.message })
    default:
      return isFull ? new EngineError({ code: "queue-full", message: "too many requests are waiting" }) : undefined
  }
}
