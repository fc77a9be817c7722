import type { AgentConfig, AgentEvent, AgentModel, AgentModelError, RunOutcome } from "@consilium/agent"
import type { ChatMessage } from "@consilium/serving"
import type { Effect } from "effect"
import type { ApiError } from "../http/ApiError.ts"

/** Who asks, and on whose account. */
export interface AgentCaller {
  /** Of the API key, as ledgers have it: what is remembered for one key is not told to another. */
  readonly key: string
  readonly domain: string
}

/** A run as a client asks for it. */
export interface AgentAsk {
  readonly runId: string
  readonly agent: string
  readonly messages: readonly ChatMessage[]
  /** The client's name for whoever asks it; undefined remembers nothing. */
  readonly user: string | undefined
  readonly conversation: string
  readonly confirmed: readonly string[]
  readonly isStream: boolean
  readonly caller: AgentCaller
}

/** A person's word on the calls of a run that waits, by the ids of the calls. */
interface AgentDecision {
  readonly runId: string
  readonly agent: string
  readonly calls: Readonly<Record<string, boolean>>
  /** Of who decides: nobody else than who began it. */
  readonly key: string
}

type Say = (event: AgentEvent) => void

/** Told after each step which budgets come to their end, as headers. */
export type Warn = (headers: Readonly<Record<string, string>>) => void

/** The agents of a service, ready to be asked. */
export interface AgentService {
  readonly agents: readonly AgentConfig[]
  /** @param say called plainly with each event as it comes */
  readonly run: (ask: AgentAsk, say: Say, warn?: Warn) => Effect.Effect<RunOutcome, AgentModelError | ApiError>
  /** Goes on with a run that waits for a person. */
  readonly decide: (
    decision: AgentDecision,
    say: Say,
    warn?: Warn,
  ) => Effect.Effect<RunOutcome, AgentModelError | ApiError>
  /** Removes all that is remembered of a user of this key; returns how many turns and facts there were. */
  readonly forget: (key: string, user: string) => Promise<number>
}

/** Returns the model that a run asks. */
export type ModelOfRun = (run: {
  readonly runId: string
  readonly agent: string
  /** As its settings name it; undefined for the usual one. */
  readonly model: string | undefined
  readonly contextLength: number | undefined
  readonly caller: AgentCaller
  readonly isStream: boolean
  readonly warn: Warn
}) => Effect.Effect<AgentModel, AgentModelError>
