import type { ChatMessage } from "@consilium/serving"

/** Whose conversation: facts belong to a user, turns and their summary to one conversation. */
export interface MemoryScope {
  readonly agent: string
  readonly userId: string
  readonly conversationId: string
}

export interface RecallRequest extends MemoryScope {
  /** What the user says now: facts are chosen by it. */
  readonly text: string
  /** Most tokens of all that is recalled. */
  readonly budgetTokens: number
  readonly countTokens: (text: string) => number
  readonly nowMs: number
}

/** What a run remembers, together within the budget. */
export interface Recalled {
  /** What the user told, in this conversation or others, nearest first. */
  readonly facts: readonly string[]
  /** Of turns that are not among `turns`; undefined where there are none. */
  readonly summary: string | undefined
  /** The latest turns as they were, oldest first. */
  readonly turns: readonly ChatMessage[]
}

/** What an agent remembers of conversations and of users; outlives the service. */
export interface AgentMemory {
  readonly recall: (request: RecallRequest) => Promise<Recalled>
  /** Keeps what was said in one turn, the user's words and the answer, and the facts in it. */
  readonly note: (
    scope: MemoryScope,
    turn: { readonly user: string; readonly answer: string; readonly nowMs: number },
  ) => Promise<void>
  /** Keeps a fact that the user, or the model on the user's behalf, states. */
  readonly noteFact: (scope: MemoryScope, fact: string, nowMs: number) => Promise<void>
  /** Removes all of a user, of one agent or of all; returns how many turns and facts there were. */
  readonly forget: (userId: string, agent?: string) => Promise<number>
}
