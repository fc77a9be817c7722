import type { Measurement } from "@consilium/benchmarks"
import type { CaseResult } from "./CaseResult.ts"
import { CLAIMS } from "./claims.ts"
import { resolvedPercent } from "./figuresOf.ts"

const BEFORE = "before"
const AFTER = "after"
const comparedWith = [{ contender: BEFORE }]

/** Returns a case's figures as a benchmark's record holds them, claims beside. */
export function measurementsOf(result: CaseResult): readonly Measurement[] {
  const { name, before, after, questions, numTokens, boundMs, burst } = result
  const pair = (
    what: string,
    unit: Measurement["unit"],
    [first, second]: readonly [readonly number[], readonly number[]],
    claimed?: readonly [number, number],
  ): readonly Measurement[] => {
    const note = claimed === undefined ? {} : { note: `claimed elsewhere: ${claimed.join(" → ")} ${unit}` }
    return [
      { name: `${name}: ${what}`, contender: BEFORE, unit, samples: first },
      { name: `${name}: ${what}`, contender: AFTER, unit, samples: second, comparedWith, ...note },
    ]
  }
  const streams = ({ concurrency }: CaseResult["before"]): readonly number[] => [concurrency.best?.numStreams ?? 0]
  return [
    ...pair(`answer of ${numTokens} tokens`, "ms", [before.ms, after.ms], CLAIMS.responseMs),
    ...pair(
      "resolved",
      "%",
      [[resolvedPercent(questions, "before")], [resolvedPercent(questions, "after")]],
      CLAIMS.resolvedPercent,
    ),
    ...pair(`streams with p95 ≤ ${boundMs} ms`, "streams", [streams(before), streams(after)], CLAIMS.streams),
    ...pair("1,000 answers", "$", [[before.usdPerThousand], [after.usdPerThousand]], CLAIMS.usdPerThousand),
    { name: `${name}: a whole run of the agent`, unit: "ms", samples: questions.map(({ after: { ms } }) => ms) },
    ...(burst === undefined
      ? []
      : [
          { name: `${name}: burst`, contender: "asleep", unit: "ms", samples: burst.asleepMs } as const,
          {
            name: `${name}: burst`,
            contender: "woken by the calendar",
            unit: "ms",
            samples: burst.preWokenMs,
            comparedWith: [{ contender: "asleep" }],
          } as const,
        ]),
  ]
}
