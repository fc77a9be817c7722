import type { CompletionEvent } from "@consilium/serving"
import { Clock, Effect } from "effect"
import { ExpertFailure } from "../ExpertFailure.ts"
import type { AttemptNotes, FleetExpert } from "../FleetExpert.ts"
import type { ExpertRequest } from "../FleetRequest.ts"

export type Finish = Extract<CompletionEvent, { readonly type: "finish" }>
/** Part of an answer that a client sees. */
export type SaidEvent = Exclude<CompletionEvent, Finish>

/** An answer that came to its end. */
export interface Attempted {
  readonly finishes: readonly Finish[]
  /** To its first text; the whole time where there was none. */
  readonly ttftMs: number
}

/**
 * Runs one attempt: it may take as long as it says something at least every `timeoutMs`.
 *
 * Waiting for memory takes as long at most, and is no silence: it fails as `unavailable`, since others hold the memory.
 *
 * Once it has ended, by a timeout too, nothing of it is heard any more.
 */
export const runAttempt = Effect.fnUntraced(function* (
  expert: FleetExpert,
  request: ExpertRequest,
  timeoutMs: number,
  say: (event: SaidEvent) => void,
  noteUse: AttemptNotes["use"],
): Effect.fn.Return<Attempted, ExpertFailure> {
  const clock = yield* Clock.Clock
  const beganMs = clock.currentTimeMillisUnsafe()
  const finishes: Finish[] = []
  let heardMs = beganMs
  let firstMs: number | undefined
  let hasBegun = false
  let isOpen = true
  const hear = (event: CompletionEvent): void => {
    if (!isOpen) return
    heardMs = clock.currentTimeMillisUnsafe()
    if (event.type === "finish") return void finishes.push(event)
    firstMs ??= heardMs
    say(event)
  }
  const begin = (): void => {
    hasBegun = true
    heardMs = clock.currentTimeMillisUnsafe()
  }
  const untilSilent = Effect.gen(function* () {
    for (;;) {
      const leftMs = heardMs + timeoutMs - clock.currentTimeMillisUnsafe()
      if (leftMs <= 0) {
        return yield* hasBegun
          ? new ExpertFailure({ kind: "timeout", message: `nothing was said for ${timeoutMs} ms` })
          : new ExpertFailure({ kind: "unavailable", message: `its memory was not free within ${timeoutMs} ms` })
      }
      yield* Effect.sleep(leftMs)
    }
  })
  yield* Effect.raceFirst(expert.answer(request, hear, { begin, use: noteUse }), untilSilent).pipe(
    Effect.ensuring(Effect.sync(() => (isOpen = false))),
  )
  if (finishes.length !== request.numChoices) {
    const message = `expected the end of ${request.numChoices} answers, found ${finishes.length}`
    return yield* new ExpertFailure({ kind: "cut-stream", message })
  }
  return { finishes, ttftMs: (firstMs ?? clock.currentTimeMillisUnsafe()) - beganMs }
})
