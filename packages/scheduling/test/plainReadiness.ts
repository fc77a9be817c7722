/** Eviction policies as their definitions say: from all uses so far, anew at each question. */
import type { EvictionName, ExpertGrid } from "../src/index.ts"

/** What a layer of a step used; never nothing. Steps are numbered from 0, without a gap. */
export interface Turn {
  readonly step: number
  readonly layer: number
  readonly experts: readonly number[]
}

/** Returns how willingly an expert that was used is put to sleep, while layer `now` runs. */
type Readiness = (expert: number, now: number) => number

export function plainReadiness(
  name: EvictionName,
  { numLayers, numExperts }: ExpertGrid,
  turns: readonly Turn[],
): Readiness {
  const untilNext = (layer: number, now: number): number => layer - now + (layer > now ? 0 : numLayers)
  const lastUse = (expert: number): Turn => turns.findLast(({ experts }) => experts.includes(expert))!
  const layerOf = (expert: number): number => Math.floor(expert / numExperts)
  switch (name) {
    case "lru":
      return (expert) => -turns.indexOf(lastUse(expert))
    case "lfu":
      return (expert) => -usesOf(turns, expert, 256)
    case "lfru":
      return (expert) => -usesOf(turns, expert, 16)
    case "least-stale":
      return (expert, now) => {
        const layer = layerOf(expert)
        return (layer <= now ? 1e4 : 0) - lastUse(expert).step + untilNext(layer, now) / 64
      }
    case "next-use": {
      const bonuses = learntBonuses(turns)
      return (expert, now) => {
        const layer = layerOf(expert)
        const last = turns.findLastIndex((turn) => turn.layer === layer)
        // Who was used in its layer's last turn has a bonus, as large as it was then.
        const bonus = turns[last]!.experts.includes(expert) ? bonuses[last]! * allUses(turns[last]!, 256) : 0
        const chance = (usesOf(turns, expert, 256) + bonus) / allUses(turns.at(-1)!, 256)
        return untilNext(layer, now) + numLayers * (1 / Math.max(1e-6, chance) - 1)
      }
    }
  }
}

/** Adds up uses; a step weighs twice as much as one `halfLife` steps before it. */
function usesOf(turns: readonly Turn[], expert: number, halfLife: number): number {
  let sum = 0
  for (const { step, experts } of turns) if (experts.includes(expert)) sum += 2 ** (step / halfLife)
  return sum
}

/** What an expert would have by a turn that every step used. */
function allUses({ step }: Turn, halfLife: number): number {
  return Array.from({ length: step + 1 }, (_, s) => 2 ** (s / halfLife)).reduce((sum, weight) => sum + weight, 0)
}

/**
 * Returns at each turn how much likelier a use has been after one in the layer's turn before than its share of all steps explains: an average over the
 * turns that were over by then.
 */
function learntBonuses(turns: readonly Turn[]): number[] {
  let bonus = 0
  return turns.map(({ layer }, i) => {
    const [before, last] = [...turns.keys()].filter((other) => other < i && turns[other]!.layer === layer).slice(-2)
    if (before === undefined || last === undefined) return bonus
    const { experts } = turns[before]!
    const reused = experts.filter((expert) => turns[last]!.experts.includes(expert)).length / experts.length
    const uses = experts.reduce((sum, expert) => sum + usesOf(turns.slice(0, last), expert, 256), 0)
    const share = uses / experts.length / allUses(turns[last]!, 256)
    bonus = Math.max(0, bonus + (reused - share - bonus) / 256)
    return bonus
  })
}
