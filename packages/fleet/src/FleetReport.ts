import type { AttemptRecord } from "./AttemptRecord.ts"
import type { ConsultKind } from "./Consult.ts"

/** What an expert was worth to a request. */
export interface ExpertScore {
  readonly expert: string
  /** As the rules and the router have it. */
  readonly base: number
  /** With load, latency and price taken off. */
  readonly adjusted: number
  /** Why it could not be asked. */
  readonly unavailable?: string
}

export interface RouteReport {
  /** `auto`, `auto:0.3`, or a name. */
  readonly model: string
  /** In words, for people. */
  readonly why: string
  /** 0 to 1, where the fleet consults requests from some complexity on. */
  readonly complexity?: number
  /** Best first; those that could not be asked last. */
  readonly scores: readonly ExpertScore[]
}

export interface ConsultReport {
  readonly kind: ConsultKind
  /** Whose answers were considered. */
  readonly answered: readonly string[]
  /** Who was asked, and was late or failed. */
  readonly missing: readonly string[]
  /** Whether somebody is missing. */
  readonly isPartial: boolean
  /** How the answer was found, in words. */
  readonly decision: string
}

export interface AnswerCost {
  readonly usd: number
  readonly promptTokens: number
  readonly generatedTokens: number
}

/** Who answered, why, and what it cost: the fleet's part of the `consilium` field. */
export interface FleetReport {
  readonly expert: string
  readonly backend: string
  readonly route: RouteReport
  readonly attempts: readonly AttemptRecord[]
  /** Of all attempts together. */
  readonly cost: AnswerCost
  readonly consultation?: ConsultReport
}
