import type { ChatMessage } from "@consilium/serving"

/** What a summary is to be made of. */
export interface SummaryTask {
  /** The summary of all that was said before; undefined at the first. */
  readonly previous: string | undefined
  /** What has been said since; may be empty, where the summary is only to become shorter. */
  readonly turns: readonly ChatMessage[]
  readonly budgetTokens: number
  readonly countTokens: (text: string) => number
}

/** Writes a conversation's summary on. One that is too long, or fails, is replaced by sentences of the conversation. */
export type Summarise = (task: SummaryTask) => Promise<string>
