import type { RouterExample } from "../examples/RouterExample.ts"
import type { TradeOff } from "./RouterWeights.ts"
import { scoresOf } from "./scoresOf.ts"

/** Steps of a share: per cent. */
export const SHARES = 100

/** Returns which threshold gives which share of requests to the strong expert, and how much is right then. */
export function measureTradeOff(
  logits: readonly Float32Array[],
  examples: readonly Pick<RouterExample, "targets">[],
  temperature: number,
): TradeOff {
  const ranked = examples
    .map(({ targets }, i) => ({ targets, gain: gainOf(scoresOf(logits[i]!, "sigmoid", temperature)) }))
    .sort((a, b) => b.gain - a.gain)
  const thresholds = new Float32Array(SHARES + 1)
  const quality = new Float32Array(SHARES + 1)
  for (let share = 0; share <= SHARES; share++) {
    const numStrong = Math.round((share / SHARES) * ranked.length)
    // Between the last that goes to the strong one and the first that does not; beyond any gain at both ends.
    const last = ranked[numStrong - 1]?.gain ?? 1
    const next = ranked[numStrong]?.gain ?? -1
    thresholds[share] = numStrong === 0 ? 1 : numStrong === ranked.length ? -1 : (last + next) / 2
    const numRight = ranked.reduce((sum, { targets }, i) => sum + targets[i < numStrong ? 1 : 0]!, 0)
    quality[share] = numRight / ranked.length
  }
  return { thresholds, quality }
}

/** Returns the part of the requests that a trade-off was measured on whose gain is less; 0 where the cheap one is as likely right. */
export function rankOfGain(gain: number, { thresholds }: Pick<TradeOff, "thresholds">): number {
  if (gain <= 0) return 0
  const share = thresholds.findIndex((threshold) => threshold <= gain)
  return share < 0 ? 0 : 1 - share / SHARES
}

/** How much likelier the strong expert is right. */
export function gainOf(scores: Float32Array): number {
  return scores[1]! - scores[0]!
}
