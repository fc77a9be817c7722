import type { Effect } from "effect"
import type { ControlCommand, ControlResult, ExpertChange } from "../control.ts"
import type { EngineEvent, EngineStatus, Generate } from "../protocol.ts"
import type { EngineError } from "./EngineError.ts"

/** Where an engine process is in its life, as the HTTP process sees it. */
export type EngineState =
  | {
      readonly phase: "loading"
      readonly step: string
      readonly done: number
      readonly total: number
    }
  | { readonly phase: "ready"; readonly status: EngineStatus }
  | { readonly phase: "restarting"; readonly numRestarts: number }
  /** There is no engine process: the next request starts one. */
  | { readonly phase: "asleep"; readonly sinceMs: number }
  | { readonly phase: "waking" }
  | { readonly phase: "draining" }
  | { readonly phase: "failed"; readonly message: string }

/** What a request is told while it runs: `started` with its first token, and tokens. */
export type GenerateEvent = Extract<EngineEvent, { readonly type: "started" | "tokens" }>
/** How it ended. */
export type GenerateEnd = Extract<EngineEvent, { readonly type: "done" }>

/** An engine as `serving` offers it: what `Engine` (the Effect service) carries. */
export interface EngineApi {
  /** The present state; wakes nothing and waits for nothing. */
  readonly state: Effect.Effect<EngineState>
  /** Fails with why a request would be refused now; succeeds where it would be taken. */
  readonly admission: Effect.Effect<void, EngineError>
  /** Succeeds once the engine is ready; fails when it cannot become so. */
  readonly ready: Effect.Effect<EngineStatus, EngineError>
  /**
   * Runs a request to its end. Interrupting it cancels the request: its slot is free within one step.
   *
   * If the engine dies, tokens go on without a repeated or missing one when a new engine has re-prefilled; it says `started` again.
   *
   * @param onEvent called plainly with each event as it comes: a token costs no Effect. What it throws ends the request as a defect
   */
  readonly generate: (
    request: Omit<Generate, "type" | "resumeFrom">,
    onEvent: (event: GenerateEvent) => void,
  ) => Effect.Effect<GenerateEnd, EngineError>
  /** Carries out what an operator asks, in the engine; what outlives it is remembered for the next one. */
  readonly control: (command: ControlCommand) => Effect.Effect<ControlResult, EngineError>
  /**
   * Wakes a model that sleeps, and counts as a request where `modelIdleMs` is concerned: somebody is about to ask. One that failed is tried once
   * more, which no request does.
   */
  readonly rouse: Effect.Effect<void>
  /** Hears of experts' changes; returns how to stop. */
  readonly onChanges: (listener: (changes: readonly ExpertChange[]) => void) => () => void
  /** Lets the model fall asleep unless it has requests; succeeds once its process is gone, with whether it sleeps. */
  readonly sleep: Effect.Effect<boolean>
  /** Kills the engine process: a fault that operators inject. Fails where there is none. */
  readonly kill: Effect.Effect<void, EngineError>
  /** Takes nothing new, waits for what runs, stops the process. */
  readonly drain: Effect.Effect<void>
}
