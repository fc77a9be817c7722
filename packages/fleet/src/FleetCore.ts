import type { AnswerMemory } from "./answer/AnswerMemory.ts"
import type { ExpertConfig, FleetConfig } from "./config/FleetConfig.ts"
import type { FleetExpert } from "./FleetExpert.ts"
import type { FleetHealth } from "./health/FleetHealth.ts"
import type { RequestEmbedder } from "./route/createRequestEmbedder.ts"
import type { FleetRouting } from "./route/createFleetRouting.ts"

/** An expert that answers: its table, and what runs it. */
export interface Member {
  readonly config: Exclude<ExpertConfig, { readonly kind: "onnx" }>
  readonly expert: FleetExpert
}

/** What the stages of a request work with; experts are named by their place in `members`. */
export interface FleetCore extends FleetRouting {
  readonly config: FleetConfig
  readonly members: readonly Member[]
  readonly health: FleetHealth
  readonly memory: AnswerMemory
  /** Undefined where none is set up: then no router of the fleet wants one. */
  readonly embedder: RequestEmbedder | undefined
  /** `[E]`: place of each member's standby; -1 for none. */
  readonly standbys: Int32Array
  /** -1 where there is none. */
  readonly generalist: number
}

/** Returns the place of a member. @throws Error where there is none: names were checked before */
export function placeOf(members: readonly Member[], name: string): number {
  const place = members.findIndex(({ config }) => config.name === name)
  if (place < 0) throw new Error(`fleet: expected a member of name ${name}, found none`)
  return place
}
