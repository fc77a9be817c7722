import { Effect } from "effect"
import type { FleetCore } from "../FleetCore.ts"
import { FleetError } from "../FleetError.ts"
import type { TaughtScores } from "../route/createFleetRouter.ts"
import { embedText } from "../route/embedRequest.ts"
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

/** Teaches the trained router by one answer; one whose text cannot be embedded now teaches it by its words alone. Fails where it teaches nobody. */
export const giveFeedback = Effect.fnUntraced(function* (
  core: FleetCore,
  { about, reward }: Feedback,
): Effect.fn.Return<FeedbackReport, FleetError> {
  const { teach } = core.router
  if (teach === undefined)
    return yield* refusal("The fleet has no trained router that could learn: name one in fleet.router.")
  const found = about.kind === "answer" ? core.memory.take(about.requestId) : asked(about)
  if (found === undefined)
    return yield* refusal(
      `There is no such answer among the latest ${MOST_REMEMBERED} that has had no feedback; consultations take none.`,
    )
  const { request, expert } = found
  // An answer's embedding is remembered with it, unless it named its expert, or an earlier router wanted none.
  const isEmbedded = request.embedding?.some((value) => value !== 0) === true
  const embedded = isEmbedded ? undefined : yield* embedText(core, request.text)
  return yield* Effect.try({
    try: () => ({
      expert,
      ...teach({ ...request, ...(embedded && { embedding: embedded.embedding }) }, expert, reward),
    }),
    catch: (error) => {
      if (error instanceof RouterError) return refusal(`The router cannot learn of this expert: ${error.message}.`)
      throw error
    },
  })
})

const asked = ({ prompt, expert }: { readonly prompt: string; readonly expert: string }): RememberedAnswer => ({
  request: { text: prompt, numImages: 0, hasTools: false },
  expert,
})

const refusal = (message: string): FleetError => new FleetError({ code: "bad-request", message, attempts: [] })
