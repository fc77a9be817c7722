import type { RouterExample } from "../examples/RouterExample.ts"
import type { CostRouter } from "../learned/createCostRouter.ts"
import {
  atRandom,
  bootstrapApgr,
  byLength,
  byOracle,
  type CostCurve,
  costCurve,
  type RoutedOutcome,
} from "./costCurve.ts"
import type { PlotLine } from "./drawLines.ts"

/** One way to share requests out, and what came of it. */
interface CostRow extends CostCurve {
  readonly name: string
}

/** How well a cost-quality router shares requests out, beside chance, their length, and somebody who knows both answers. */
export interface CostJudgement {
  readonly rows: readonly CostRow[]
  /** Of the router's APGR, with 95 % confidence. */
  readonly apgrInterval: readonly [low: number, high: number]
}

const NUM_DRAWS = 1000

/** Returns what a router would have made of requests to which both experts' answers are known. */
export function outcomesOf(router: CostRouter, examples: readonly RouterExample[]): RoutedOutcome[] {
  return examples.map(({ request, targets }) => ({
    gain: router.gain(request),
    cheapRight: targets[0]!,
    strongRight: targets[1]!,
  }))
}

/** Judges outcomes, of one router or of several that were trained on different parts; `examples` are theirs, in their order. */
export function judgeOutcomes(
  outcomes: readonly RoutedOutcome[],
  examples: readonly RouterExample[],
  seed: number,
): CostJudgement {
  return {
    rows: [
      { name: "router", ...costCurve(outcomes) },
      { name: "random", ...costCurve(atRandom(outcomes)) },
      { name: "oracle", ...costCurve(byOracle(outcomes)) },
      { name: "longer to the strong", ...costCurve(byLength(outcomes, examples)) },
    ],
    apgrInterval: bootstrapApgr(outcomes, NUM_DRAWS, seed),
  }
}

/** Returns the lines of quality over the share of requests for the strong expert. */
export function costLines({ rows }: CostJudgement): PlotLine[] {
  return rows.map(({ name, quality }) => ({
    name,
    points: Array.from(quality, (reached, step) => [step / (quality.length - 1), reached] as const),
  }))
}
