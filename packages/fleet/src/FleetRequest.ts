import type { ChatMessage, CompletionRequest, Tool } from "@consilium/serving"
import type { Purse } from "./answer/Purse.ts"
import type { Consult } from "./Consult.ts"
import type { RouteTarget } from "./route/parseTarget.ts"

/** A message with the images that it shows, as URLs or data URLs. */
export interface FleetMessage extends ChatMessage {
  readonly images?: readonly string[]
}

/** A conversation as an expert answers it. */
export interface ExpertRequest extends Omit<CompletionRequest, "prompt"> {
  readonly messages: readonly FleetMessage[]
  readonly tools: readonly Tool[]
  /** What of the answer has been said already, by an expert that failed: it is gone on with. */
  readonly prefix: string
}

/** A conversation that the fleet answers. */
export interface FleetRequest extends Omit<ExpertRequest, "prefix"> {
  readonly target: RouteTarget
  /** Text leaves as it comes: once some has, nobody else may begin anew. */
  readonly isStream: boolean
  /** Most US dollars that it may cost; Infinity for no limit. */
  readonly budgetUsd: number
  /** What pays for attempts; undefined where nobody keeps accounts. */
  readonly purse: Purse | undefined
  /** As it was asked for. False wants one expert's answer; without a word of it the fleet's own settings may make a consultation of a request to `auto`. */
  readonly consult: Consult | false | undefined
}
