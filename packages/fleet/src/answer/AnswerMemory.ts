import type { RoutedRequest } from "../router/RequestRouter.ts"

/** An answer that feedback may come for. */
export interface RememberedAnswer {
  readonly request: RoutedRequest
  readonly expert: string
}

/** The latest answers by their requests' ids. */
export interface AnswerMemory {
  note(requestId: string, answer: RememberedAnswer): void
  /** Returns an answer once: each has one feedback. */
  take(requestId: string): RememberedAnswer | undefined
}

export const MOST_REMEMBERED = 1000
/** Routers look at no more of a text. */
const MOST_TEXT = 8000

export function createAnswerMemory(): AnswerMemory {
  const answers = new Map<string, RememberedAnswer>()
  return {
    note(requestId, { request, expert }) {
      answers.set(requestId, { request: { ...request, text: copyBeginning(request.text) }, expert })
      if (answers.size > MOST_REMEMBERED) answers.delete(answers.keys().next().value!)
    },
    take(requestId) {
      const answer = answers.get(requestId)
      answers.delete(requestId)
      return answer
    },
  }
}

/** A slice alone would keep the whole text alive. UTF-16 keeps halves of characters as they are. */
function copyBeginning(text: string): string {
  return Buffer.from(text.slice(0, MOST_TEXT), "utf16le").toString("utf16le")
}
