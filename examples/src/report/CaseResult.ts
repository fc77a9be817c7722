import type { JudgedQuestion } from "../answer/answerQuestions.ts"
import type { Burst } from "../measure/measureBurst.ts"
import type { Concurrency } from "../measure/measureConcurrency.ts"

/** One contender's figures under forced lengths. */
export interface Timing {
  readonly numParameters: number
  readonly numActiveParameters: number
  readonly ms: readonly number[]
  readonly concurrency: Concurrency
  readonly usdPerThousand: number
}

/** What a case measured. */
export interface CaseResult {
  readonly name: string
  readonly title: string
  readonly questions: readonly JudgedQuestion[]
  readonly before: Timing
  readonly after: Timing
  readonly numTokens: number
  readonly boundMs: number
  /** Undefined in cases without a calendar. */
  readonly burst: Burst | undefined
}
