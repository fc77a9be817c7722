import type { Effect, Stream } from "effect"
import type { EngineEvent, EngineStatus, Generate } from "../protocol.ts"
import type { EngineError } from "./EngineError.ts"

/** Where an engine process is in its life, as the HTTP process sees it. */
export type EngineState =
  | { readonly phase: "loading"; readonly step: string; readonly done: number; readonly total: number }
  | { readonly phase: "ready"; readonly status: EngineStatus }
  | { readonly phase: "restarting"; readonly numRestarts: number }
  | { readonly phase: "draining" }
  | { readonly phase: "failed"; readonly message: string }

export type GenerateEvent = Extract<EngineEvent, { readonly type: "tokens" | "done" }>

/** An engine as `serving` offers it: what `Engine` (the Effect service) carries. */
export interface EngineApi {
  /** The present state; wakes nothing and waits for nothing. */
  readonly state: Effect.Effect<EngineState>
  /** Fails with why a request would be refused now; succeeds where it would be taken. */
  readonly admission: Effect.Effect<void, EngineError>
  /** Succeeds once the engine is ready; fails when it cannot become so. */
  readonly ready: Effect.Effect<EngineStatus, EngineError>
  /**
   * Streams `tokens` events and one `done`. Interrupting the stream cancels the request: its slot is free within one step.
   *
   * If the engine dies, the stream goes on without a repeated or missing token once a new engine has re-prefilled.
   */
  readonly generate: (request: Omit<Generate, "type" | "resumeFrom">) => Stream.Stream<GenerateEvent, EngineError>
  /** Takes nothing new, waits for what runs, stops the process. */
  readonly drain: Effect.Effect<void>
}
