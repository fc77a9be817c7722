/** What one answer took, as its client sees it. */
export interface AnswerTiming {
  /** From the request's arrival to its first text. */
  readonly ttftMs: number
  /** Mean time per token after the first; 0 for an answer of one. */
  readonly tpotMs: number
  /** The longest that two pieces of text were apart. */
  readonly longestGapMs: number
}

/** Takes the times of one answer. */
export interface AnswerClock {
  /** Notes that text goes out now; returns how long after the text before it, undefined for the first. */
  tick(): number | undefined
  timing(numTokens: number): AnswerTiming
}

/** @param arrivedMs when the request came, by the clock of `nowMs` */
export function createAnswerClock(arrivedMs: number, nowMs: () => number = () => performance.now()): AnswerClock {
  let firstMs: number | undefined
  let lastMs = arrivedMs
  let longestGapMs = 0
  return {
    tick() {
      const now = nowMs()
      const gapMs = now - lastMs
      lastMs = now
      if (firstMs === undefined) {
        firstMs = now
        return undefined
      }
      if (gapMs > longestGapMs) longestGapMs = gapMs
      return gapMs
    },
    timing(numTokens) {
      const first = firstMs ?? lastMs
      return {
        ttftMs: first - arrivedMs,
        tpotMs: numTokens > 1 ? (lastMs - first) / (numTokens - 1) : 0,
        longestGapMs,
      }
    },
  }
}
