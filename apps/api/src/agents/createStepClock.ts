import type { CompletionEvent } from "@consilium/serving"
import { type AnswerTiming, createAnswerClock } from "../http/AnswerClock.ts"

/** Times one answer that a run asks of a model. */
export interface StepClock {
  hear(event: CompletionEvent): void
  timing(numTokens: number): AnswerTiming
}

/** Begins with the question. @param observeGap told how long text came after the text before it */
export function createStepClock(observeGap: (gapMs: number) => void): StepClock {
  const clock = createAnswerClock(performance.now())
  return {
    hear({ type }) {
      const gapMs = type === "finish" ? undefined : clock.tick()
      if (gapMs !== undefined) observeGap(gapMs)
    },
    timing: clock.timing,
  }
}
