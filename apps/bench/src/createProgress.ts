/** Where progress goes: a terminal is written over, anything else gets lines, at most one a second. */
export interface ProgressOutput {
  readonly isTTY?: boolean
  readonly columns?: number
  write(text: string): unknown
}

/** Tells a person who waits what is measured, which of how many it is, and how long it has taken. */
export interface Progress {
  readonly expect: (numMeasurements: number) => void
  readonly report: (line: string) => void
  /** Counts a measurement that is done. */
  readonly count: () => void
  /** Says how many are done: `3 of 8 measurements`. */
  readonly done: () => string
  /** Leaves the line, so that other output can follow. */
  readonly end: () => void
}

const CLEAR_LINE = "\r\u001B[K"

/**
 * Returns a progress that is one updating line on a terminal, and plain lines elsewhere.
 *
 * @param nowMs a clock; kernels block this thread, so the line moves when a suite reports, not with the clock
 */
export function createProgress(output: ProgressOutput, nowMs: () => number = () => performance.now()): Progress {
  const startedMs = nowMs()
  let numExpected: number | undefined
  let numDone = 0
  let writtenMs = Number.NEGATIVE_INFINITY

  const line = (what: string): string => {
    const ofAll = numExpected === undefined ? `${numDone + 1}` : `${Math.min(numDone + 1, numExpected)}/${numExpected}`
    return `  [${ofAll}] ${elapsed(nowMs() - startedMs)}  ${what}`
  }
  return {
    expect(numMeasurements) {
      numExpected = numMeasurements
    },
    report(what) {
      if (output.isTTY) output.write(`${CLEAR_LINE}${line(what).slice(0, (output.columns ?? 80) - 1)}`)
      else if (nowMs() - writtenMs >= 1000) {
        output.write(`${line(what)}\n`)
        writtenMs = nowMs()
      }
    },
    count() {
      numDone++
    },
    done: () => `${numDone}${numExpected === undefined ? "" : ` of ${numExpected}`} measurements`,
    end() {
      if (output.isTTY) output.write(CLEAR_LINE)
    },
  }
}

function elapsed(ms: number): string {
  const seconds = Math.floor(ms / 1000)
  return `${Math.floor(seconds / 60)}:${String(seconds % 60).padStart(2, "0")}`
}
