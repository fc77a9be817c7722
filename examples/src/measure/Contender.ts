import type { ChatMessage } from "@consilium/serving"

/** One answer of a forced length, and how long it took. */
interface TimedAnswer {
  readonly ms: number
  readonly generatedTokens: number
}

/** What is timed: a dense model, or a fleet of experts behind a router. */
export interface Contender {
  readonly numParameters: number
  readonly numActiveParameters: number
  /** Answers with exactly `numTokens` tokens: an end is forbidden. */
  readonly answer: (messages: readonly ChatMessage[], numTokens: number) => Promise<TimedAnswer>
  readonly close: () => Promise<void>
}
