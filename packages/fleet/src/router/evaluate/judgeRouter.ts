import type { RouterExample } from "../examples/RouterExample.ts"
import type { RequestRouter } from "../RequestRouter.ts"

/** Two experts that are taken for one another. */
interface Confusion {
  readonly truth: string
  readonly chosen: string
  readonly count: number
}

/** How well a router chooses among experts, on examples that it has not seen. */
export interface RouterJudgement {
  readonly numExamples: number
  /** Part of the requests whose best-scored expert was right. */
  readonly accuracy: number
  /** Bounds of the accuracy with 95 % confidence. */
  readonly accuracyInterval: readonly [low: number, high: number]
  /** Part whose right expert was among the three best-scored. */
  readonly topThree: number
  /** The worst first. */
  readonly confusions: readonly Confusion[]
  /** Expected calibration error: how far scores are from how often they are right, on average. */
  readonly calibrationError: number
  readonly bins: readonly CalibrationBin[]
}

/** Requests whose best score lies in one tenth of 0..1. */
interface CalibrationBin {
  readonly count: number
  /** Mean of their best scores, and part of them that was right. */
  readonly confidence: number
  readonly accuracy: number
}

const NUM_BINS = 10
const MOST_CONFUSIONS = 20

/** Judges a router of any kind by requests of which one expert is right. */
export function judgeRouter(router: RequestRouter, examples: readonly RouterExample[]): RouterJudgement {
  const confusions = new Map<string, { truth: string; chosen: string; count: number }>()
  const bins = Array.from({ length: NUM_BINS }, () => ({ count: 0, confidence: 0, accuracy: 0 }))
  let numRight = 0
  let numTopThree = 0
  for (const { request, targets } of examples) {
    const scores = router.score(request)
    const ranked = [...scores.keys()].sort((a, b) => scores[b]! - scores[a]! || a - b)
    const chosen = ranked[0]!
    const isRight = targets[chosen] === 1
    const bin = bins[Math.min(NUM_BINS - 1, Math.floor(scores[chosen]! * NUM_BINS))]!
    bin.count++
    bin.confidence += scores[chosen]!
    bin.accuracy += Number(isRight)
    numRight += Number(isRight)
    numTopThree += Number(ranked.slice(0, 3).some((e) => targets[e] === 1))
    if (isRight) continue
    const truth = router.experts[targets.indexOf(1)] ?? "none"
    const key = JSON.stringify([truth, router.experts[chosen]])
    const confusion = confusions.get(key) ?? { truth, chosen: router.experts[chosen]!, count: 0 }
    confusion.count++
    confusions.set(key, confusion)
  }
  const numExamples = examples.length
  return {
    numExamples,
    accuracy: numRight / numExamples,
    accuracyInterval: wilsonInterval(numRight, numExamples),
    topThree: numTopThree / numExamples,
    confusions: [...confusions.values()].sort((a, b) => b.count - a.count).slice(0, MOST_CONFUSIONS),
    calibrationError:
      bins.reduce((sum, { confidence, accuracy }) => sum + Math.abs(confidence - accuracy), 0) / numExamples,
    bins: bins.map(({ count, confidence, accuracy }) => ({
      count,
      confidence: count === 0 ? 0 : confidence / count,
      accuracy: count === 0 ? 0 : accuracy / count,
    })),
  }
}

/** @see Wilson 1927, the score interval: it holds for parts near 0 and 1 too */
function wilsonInterval(count: number, total: number): readonly [number, number] {
  const z = 1.96
  const part = count / total
  const centre = part + (z * z) / (2 * total)
  const spread = z * Math.sqrt((part * (1 - part)) / total + (z * z) / (4 * total * total))
  const scale = 1 + (z * z) / total
  return [(centre - spread) / scale, (centre + spread) / scale]
}
