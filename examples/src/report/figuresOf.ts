import { percentile } from "../measure/percentile.ts"
import type { JudgedQuestion } from "../answer/answerQuestions.ts"
import type { CaseResult } from "./CaseResult.ts"
import { CLAIMS } from "./claims.ts"

/** A figure before and after, as it is claimed elsewhere and as it was measured here. */
export interface Figure {
  readonly name: string
  readonly unit: "ms" | "%" | "streams" | "$"
  readonly isLowerBetter: boolean
  readonly claimed: readonly [before: number, after: number] | undefined
  readonly measured: readonly [before: number, after: number]
  /** What of it is no measurement. */
  readonly simulated: string
}

const DENSE = "before: random weights; answers of a forced length"

/** Returns the figures of a case's table and chart, in their order. */
export function figuresOf({ before, after, questions, numTokens, boundMs }: CaseResult): readonly Figure[] {
  const both = <T>(read: (timing: CaseResult["before"]) => T): readonly [T, T] => [read(before), read(after)]
  return [
    {
      name: "response time, p50",
      unit: "ms",
      isLowerBetter: true,
      claimed: CLAIMS.responseMs,
      measured: both(({ ms }) => percentile(ms, 0.5)),
      simulated: DENSE,
    },
    {
      name: "response time, p95",
      unit: "ms",
      isLowerBetter: true,
      claimed: undefined,
      measured: both(({ ms }) => percentile(ms, 0.95)),
      simulated: DENSE,
    },
    {
      name: "resolved share",
      unit: "%",
      isLowerBetter: false,
      claimed: CLAIMS.resolvedPercent,
      measured: [resolvedPercent(questions, "before"), resolvedPercent(questions, "after")],
      simulated: "nothing; the judge is automatic",
    },
    {
      name: `streams with p95 ≤ ${boundMs} ms`,
      unit: "streams",
      isLowerBetter: false,
      claimed: CLAIMS.streams,
      measured: both(({ concurrency }) => concurrency.best?.numStreams ?? 0),
      simulated: DENSE,
    },
    {
      name: `1,000 answers of ${numTokens} tokens`,
      unit: "$",
      isLowerBetter: true,
      claimed: CLAIMS.usdPerThousand,
      measured: both(({ usdPerThousand }) => usdPerThousand),
      simulated: `the machine's price; ${DENSE}`,
    },
  ]
}

/** Returns how many per cent of some questions were resolved. */
export function resolvedPercent(questions: readonly JudgedQuestion[], when: "before" | "after"): number {
  return (100 * questions.filter((judged) => judged[when].isResolved).length) / questions.length
}

/** Says by what a figure is better: 3.0× is three times as fast, as many, as cheap. Empty where there was nothing before. */
export function gainOf({ isLowerBetter }: Pick<Figure, "isLowerBetter">, values: readonly [number, number]): string {
  const [worse, better] = isLowerBetter ? values.toReversed() : values
  return worse === 0 ? "" : `${(better! / worse!).toFixed(1)}×`
}
