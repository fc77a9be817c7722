import type { CompletionEvent, EngineUse } from "@consilium/serving"
import type { Effect } from "effect"
import type { ExpertFailure } from "./ExpertFailure.ts"
import type { ExpertRequest } from "./FleetRequest.ts"

/** Called plainly with what is not said: how the work goes. */
export interface AttemptNotes {
  /** It sets to work: until then it waits for memory that others hold. */
  begin(): void
  /** What it used of an engine of ours, once, however it ends; never where the engine is not ours. */
  use(use: EngineUse): void
}

/** An expert of the fleet that answers conversations, wherever its model runs. */
export interface FleetExpert {
  /** It can go on with an answer that another began. */
  readonly continues: boolean
  /** What computes: a local engine's backend, or `remote`. */
  readonly backend: () => string
  /**
   * Answers a conversation, or goes on after `request.prefix`. Interrupting it ends the work, wherever it is done.
   *
   * @param say called plainly with each event as it comes; `finish` comes once per choice, last
   */
  readonly answer: (
    request: ExpertRequest,
    say: (event: CompletionEvent) => void,
    notes: AttemptNotes,
  ) => Effect.Effect<void, ExpertFailure>
}
