import type { FleetCore } from "../FleetCore.ts"
import { FleetError } from "../FleetError.ts"
import type { TaughtScores } from "../route/createFleetRouter.ts"
import { RouterError } from "../router/RouterError.ts"
import { MOST_REMEMBERED, type RememberedAnswer } from "./AnswerMemory.ts"

/** How good an answer was: one of the latest by its request's id, or any by what was asked and who answered. */
export interface Feedback {
  readonly about:
    | { readonly kind: "answer"; readonly requestId: string }
    | { readonly kind: "prompt"; readonly prompt: string; readonly expert: string }
  /** -1 (bad) to 1 (good). */
  readonly reward: number
}

/** Whom feedback moved, for requests like this one. */
export interface FeedbackReport extends TaughtScores {
  readonly expert: string
}

/** Teaches the trained router by one answer. @throws FleetError on feedback that teaches nobody */
export function giveFeedback({ router, memory }: FleetCore, { about, reward }: Feedback): FeedbackReport {
  if (router.teach === undefined)
    throw refusal("The fleet has no trained router that could learn: name one in fleet.router.")
  const { request, expert } = about.kind === "answer" ? remembered(memory.take(about.requestId)) : asked(about)
  try {
    return { expert, ...router.teach(request, expert, reward) }
  } catch (error) {
    if (error instanceof RouterError) throw refusal(`The router cannot learn of this expert: ${error.message}.`)
    throw error
  }
}

const asked = ({ prompt, expert }: { readonly prompt: string; readonly expert: string }): RememberedAnswer => ({
  request: { text: prompt, numImages: 0, hasTools: false },
  expert,
})

function remembered(answer: RememberedAnswer | undefined): RememberedAnswer {
  if (answer !== undefined) return answer
  throw refusal(
    `There is no such answer among the latest ${MOST_REMEMBERED} that has had no feedback; consultations take none.`,
  )
}

const refusal = (message: string): FleetError => new FleetError({ code: "bad-request", message, attempts: [] })
