import type { AttemptRecord } from "../AttemptRecord.ts"
import type { AnswerCost } from "../FleetReport.ts"

/** What was tried for one request, what it cost, and what it may still cost. */
export interface AnswerLog {
  /** When the request's time is over. */
  readonly deadlineMs: number
  readonly attempts: readonly AttemptRecord[]
  readonly cost: AnswerCost
  /** Infinity without a budget. */
  readonly leftUsd: number
  /** The same log for a part of the work, which has less time. */
  until(deadlineMs: number): AnswerLog
  add(record: AttemptRecord): void
}

/** @param note told plainly of each attempt as it ends */
export function createAnswerLog(
  deadlineMs: number,
  budgetUsd: number,
  note: (attempt: AttemptRecord) => void,
): AnswerLog {
  const attempts: AttemptRecord[] = []
  let usd = 0
  let promptTokens = 0
  let generatedTokens = 0
  const logUntil = (untilMs: number): AnswerLog => ({
    deadlineMs: untilMs,
    attempts,
    get cost() {
      return { usd, promptTokens, generatedTokens }
    },
    get leftUsd() {
      return budgetUsd - usd
    },
    until: (earlierMs) => logUntil(Math.min(untilMs, earlierMs)),
    add(record) {
      attempts.push(record)
      usd += record.costUsd
      promptTokens += record.promptTokens
      generatedTokens += record.generatedTokens
      note(record)
    },
  })
  return logUntil(deadlineMs)
}
