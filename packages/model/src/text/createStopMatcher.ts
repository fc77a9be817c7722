/** Finds stop strings in a text that comes in pieces. */
export interface StopMatcher {
  /** Returns the text that can be said now. Once `isStopped`, nothing after it counts. */
  push(text: string): { readonly text: string; readonly isStopped: boolean }
  /** Returns what was held back, when the text ends without a stop. */
  flush(): string
}

/**
 * Creates a matcher: text before the first stop string is said, the stop string and what follows is not.
 *
 * The first is the one that is complete first, the longest of those that end together, so the result does not depend on how the text is
 * cut. Held back is only what could still become a stop string.
 */
export function createStopMatcher(stops: readonly string[]): StopMatcher {
  const wanted = stops.filter((stop) => stop !== "")
  let held = ""
  let isStopped = false
  return {
    push(text) {
      if (isStopped) return { text: "", isStopped }
      const all = held + text
      const start = firstComplete(all, wanted)
      if (start !== undefined) {
        isStopped = true
        held = ""
        return { text: all.slice(0, start), isStopped }
      }
      const kept = longestBeginning(all, wanted)
      held = all.slice(all.length - kept)
      return { text: all.slice(0, all.length - kept), isStopped }
    },
    flush() {
      const rest = held
      held = ""
      return rest
    },
  }
}

/** Where the one of `wanted` begins that is complete first. */
function firstComplete(text: string, wanted: readonly string[]): number | undefined {
  let start: number | undefined
  let end = Number.POSITIVE_INFINITY
  for (const stop of wanted) {
    const at = text.indexOf(stop)
    if (at < 0) continue
    const ownEnd = at + stop.length
    if (ownEnd > end || (ownEnd === end && at > start!)) continue
    start = at
    end = ownEnd
  }
  return start
}

/** How many of the last characters of `text` could begin one of `wanted`. */
export function longestBeginning(text: string, wanted: readonly string[]): number {
  let longest = 0
  for (const stop of wanted) {
    for (let length = Math.min(text.length, stop.length - 1); length > longest; length--) {
      if (text.endsWith(stop.slice(0, length))) longest = length
    }
  }
  return longest
}
