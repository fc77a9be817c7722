/** Shares the engine's time out among the answers that it computes at once, evenly: all shares together are the time in which there was any. */
export interface ShareClock {
  /** Begins an answer; the function that is returned ends it, and returns its share in ms. */
  join(): () => number
}

/** @param nowMs a clock that never goes back */
export function createShareClock(nowMs: () => number): ShareClock {
  let numRunning = 0
  let lastMs = 0
  /** What an answer would have had that ran from the beginning. */
  let sharedMs = 0
  const advance = (): void => {
    const now = nowMs()
    if (numRunning > 0) sharedMs += (now - lastMs) / numRunning
    lastMs = now
  }
  return {
    join() {
      advance()
      numRunning++
      const before = sharedMs
      return () => {
        advance()
        numRunning--
        return sharedMs - before
      }
    },
  }
}
