/**
 * The one versioned message schema between the HTTP process and an engine process. Nothing else passes.
 *
 * Requests: `generate`, `cancel`. Control: `status`, `drain`. Events answer both. Every message carries the version of its sender.
 */
import type { SamplingParams } from "@consilium/model"

export const PROTOCOL_VERSION = 1

/** Asks for a continuation of `ids`. */
export interface Generate {
  readonly type: "generate"
  readonly requestId: string
  /** Prompt ids, and after them the ids that an earlier engine had already generated. */
  readonly ids: readonly number[]
  /** How many of `ids`, at the end, were generated: positions of the seeded draw and penalties go on from there. */
  readonly resumeFrom: number
  readonly sampling: SamplingParams
  readonly seed: number
  /** Which of `n` choices this is: the draw depends on seed, choice and position only. */
  readonly choice: number
  /** Most ids to generate, those of `resumeFrom` included. */
  readonly maxTokens: number
  readonly stopIds: readonly number[]
  /** Best alternatives to report per token; 0 reports the chosen one alone, undefined nothing. */
  readonly numTopLogProbs: number | undefined
  readonly trace: boolean
}

export interface Cancel {
  readonly type: "cancel"
  readonly requestId: string
}

export interface StatusRequest {
  readonly type: "status"
}

/** Asks the engine to finish what runs, take nothing new, and exit. */
export interface Drain {
  readonly type: "drain"
}

export type ToEngine = (Generate | Cancel | StatusRequest | Drain) & { readonly version: number }

export interface GeneratedToken {
  readonly id: number
  readonly logProb?: number
  readonly top?: readonly (readonly [id: number, logProb: number])[]
}

/** A rung of the failover ladder that a request used. */
export interface Degradation {
  readonly layer: number
  readonly expertId: number
  readonly rung: "replica" | "reload" | "backend" | "reroute" | "shared-only"
}

/** Routing of the positions computed since the last event: per layer `[numPositions][topK]`. */
export interface RoutingTrace {
  readonly firstPosition: number
  readonly layers: readonly { readonly layer: number; readonly expertIds: readonly (readonly number[])[]; readonly weights: readonly (readonly number[])[] }[]
}

export interface EngineUsage {
  readonly promptTokens: number
  readonly cachedTokens: number
  readonly generatedTokens: number
  readonly queueMs: number
  readonly prefillMs: number
  readonly decodeMs: number
}

export interface EngineStatus {
  readonly modelId: string
  readonly backend: string
  readonly format: string
  readonly numSlots: number
  readonly contextLength: number
  readonly numRunning: number
  readonly numWaiting: number
  readonly steps: number
  readonly residentBytes: number
  readonly weightBytes: number
}

export type FromEngine = (
  | { readonly type: "loading"; readonly phase: string; readonly done: number; readonly total: number }
  | { readonly type: "ready"; readonly status: EngineStatus }
  | { readonly type: "tokens"; readonly requestId: string; readonly tokens: readonly GeneratedToken[]; readonly trace?: RoutingTrace }
  | {
      readonly type: "done"
      readonly requestId: string
      readonly reason: "stop" | "length" | "cancelled"
      readonly usage: EngineUsage
      readonly degraded: readonly Degradation[]
    }
  | { readonly type: "failed"; readonly requestId: string; readonly code: "context-overflow" | "bad-request" | "internal"; readonly message: string }
  | { readonly type: "status"; readonly status: EngineStatus }
  | { readonly type: "fatal"; readonly message: string }
) & { readonly version: number }
