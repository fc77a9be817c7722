import type { Price } from "../config/FleetConfig.ts"
import type { AnswerCost, AttemptRecord } from "../FleetReport.ts"
import { costUsd } from "../route/estimateCost.ts"
import type { Finish } from "./runAttempt.ts"

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
  addAnswered(record: Pick<AttemptRecord, "expert" | "ms" | "ttftMs">, finishes: readonly Finish[], price: Price): void
}

export function createAnswerLog(deadlineMs: number, budgetUsd: number): AnswerLog {
  const attempts: AttemptRecord[] = []
  let usd = 0
  let promptTokens = 0
  let generatedTokens = 0
  const add = (record: AttemptRecord): void => {
    attempts.push(record)
    usd += record.costUsd
  }
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
    add,
    addAnswered(record, finishes, price) {
      // The choices of an answer share its prompt.
      const prompt = finishes.reduce((most, { usage }) => Math.max(most, usage.promptTokens), 0)
      const generated = finishes.reduce((sum, { usage }) => sum + usage.generatedTokens, 0)
      promptTokens += prompt
      generatedTokens += generated
      add({ ...record, outcome: "answered", costUsd: costUsd(price, prompt, generated) })
    },
  })
  return logUntil(deadlineMs)
}
