import type { ChatMessage } from "@consilium/serving"

/** What was said in one turn of a conversation. */
export interface MemoryTurn {
  readonly id: number
  readonly user: string
  readonly answer: string
}

/** Returns turns as messages, oldest first. */
export function messagesOf(turns: readonly MemoryTurn[]): ChatMessage[] {
  return turns.flatMap(({ user, answer }): ChatMessage[] => [
    { role: "user", content: user },
    { role: "assistant", content: answer },
  ])
}
