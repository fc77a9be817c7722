import {
  type CostRouter,
  costLines,
  drawLines,
  judgeOutcomes,
  judgeRouter,
  type LearnedRouter,
  outcomesOf,
  type RouterExample,
} from "@consilium/fleet"

/** What a person reads of a router that was judged, and sees. */
export interface PrintedJudgement {
  readonly lines: readonly string[]
  readonly svg: string
}

const NUM_CONFUSIONS = 5
const BOOTSTRAP_SEED = 1
const percent = (part: number): string => `${(100 * part).toFixed(1)} %`

/** Judges a router by examples, and says what came of it. */
export function reportRouter(router: LearnedRouter | CostRouter, examples: readonly RouterExample[]): PrintedJudgement {
  return "gain" in router ? reportCost(router, examples) : reportChoice(router, examples)
}

function reportChoice(router: LearnedRouter, examples: readonly RouterExample[]): PrintedJudgement {
  const { accuracy, accuracyInterval, topThree, calibrationError, confusions, bins } = judgeRouter(router, examples)
  const points = bins
    .filter(({ count }) => count > 0)
    .map(({ confidence, accuracy }) => [confidence, accuracy] as const)
  return {
    lines: [
      `accuracy ${percent(accuracy)} (95 %: ${accuracyInterval.map(percent).join(" to ")}), right one among the best three ${percent(topThree)}`,
      `calibration error ${percent(calibrationError)}`,
      ...(confusions.length === 0 ? [] : ["taken for one another most often:"]),
      ...confusions.slice(0, NUM_CONFUSIONS).map(({ truth, chosen, count }) => `  ${count}× ${truth} → ${chosen}`),
    ],
    svg: drawLines({
      title: `calibration on ${examples.length} requests that the router had not seen`,
      xLabel: "score of the best expert",
      yLabel: "how often it was right",
      yRange: [0, 1],
      lines: [
        { name: "router", points },
        {
          name: "perfect",
          points: [
            [0, 0],
            [1, 1],
          ],
        },
      ],
    }),
  }
}

function reportCost(router: CostRouter, examples: readonly RouterExample[]): PrintedJudgement {
  const judgement = judgeOutcomes(outcomesOf(router, examples), examples, BOOTSTRAP_SEED)
  const { rows, apgrInterval } = judgement
  const qualities = rows.flatMap(({ quality }) => [...quality])
  const [low, high] = [Math.min(...qualities), Math.max(...qualities)]
  const [cheap, strong] = [rows[0]!.quality[0]!, rows[0]!.quality.at(-1)!]
  return {
    lines: [
      `right: ${router.experts[0]} ${percent(cheap)}, ${router.experts[1]} ${percent(strong)} of ${examples.length}`,
      ...rows.map(
        ({ name, apgr, cpt50, cpt80 }) =>
          `${name.padEnd(20)} APGR ${apgr.toFixed(3)}  half of the gap for ${percent(cpt50)} of calls, four fifths for ${percent(cpt80)}`,
      ),
      `the router's APGR with 95 % confidence: ${apgrInterval.map((bound) => bound.toFixed(3)).join(" to ")}; chance is 0.5`,
    ],
    svg: drawLines({
      title: `quality over cost on ${examples.length} requests that the router had not seen`,
      xLabel: `requests for ${router.experts[1]}`,
      yLabel: "answers that were right",
      yRange: [Math.floor(low * 20) / 20, Math.max(Math.ceil(high * 20) / 20, Math.floor(low * 20) / 20 + 0.05)],
      lines: costLines(judgement),
    }),
  }
}
