import type { AwakeHeaps } from "./createAwakeHeaps.ts"
import { createKeyedPolicy } from "./createKeyedPolicy.ts"
import { createUseCounts } from "./createUseCounts.ts"
import type { EvictionPolicy, ExpertGrid } from "./EvictionPolicy.ts"
import { layersUntil } from "./layersUntil.ts"

/** How long a use counts, in steps: long enough to know how popular an expert is, short enough to follow another topic. */
const HALF_LIFE = 256
/** Nobody is thought to be used less often than once in so many steps. */
const LEAST_CHANCE = 1e-6
/** How far one turn of a layer moves what is learnt of all. */
const LEARNING = 1 / 256

/** What a layer's last step used, and what was expected of it. */
interface LastUses {
  step: number
  /** The one before it; NaN before there are two. */
  previousStep: number
  readonly experts: Int32Array
  numExperts: number
  /** Of those that the step before it used: how many, their mean share of steps, and how many of them it used again. */
  numBefore: number
  shareBefore: number
  numReused: number
}

/**
 * Puts the expert to sleep whose next use is expected last: its layer's next turn, and from then on one turn in so many.
 *
 * The chance of a turn is the share of recent steps that used the expert, and more for those that the layer's last step used. How much more is
 * learnt: tokens that follow each other share more experts than popularity explains, in each model and text another number.
 */
export function createNextUse(grid: ExpertGrid): EvictionPolicy {
  const { numLayers, numExperts } = grid
  const counts = createUseCounts(grid, HALF_LIFE)
  const layers = Array.from({ length: numLayers }, () => createLastUses(numExperts))
  const lastStep = new Float64Array(numLayers * numExperts).fill(-1)
  let bonus = 0

  /** Learns from the turn that is over, and takes the bonus from those who had it. */
  const beginTurn = (heaps: AwakeHeaps, last: LastUses): void => {
    if (last.numBefore > 0) {
      const surplus = last.numReused / last.numBefore - last.shareBefore
      bonus = Math.max(0, bonus + LEARNING * (surplus - bonus))
    }
    let sum = 0
    for (let i = 0; i < last.numExperts; i++) {
      const expert = last.experts[i]!
      sum += counts.values[expert]!
      heaps.setKey(expert, counts.values[expert]!)
    }
    last.numBefore = last.numExperts
    last.shareBefore = last.numExperts === 0 ? 0 : sum / last.numExperts / counts.whole()
    last.numReused = 0
    last.numExperts = 0
  }

  return createKeyedPolicy(grid, {
    touch(heaps, expert, layer, step) {
      const factor = counts.advance(step)
      if (factor !== 1) heaps.scaleKeys(factor)
      const last = layers[layer]!
      if (last.step !== step) {
        beginTurn(heaps, last)
        last.previousStep = last.step
        last.step = step
      }
      if (lastStep[expert] === last.previousStep) last.numReused++
      lastStep[expert] = step
      last.experts[last.numExperts++] = expert
      counts.add(expert)
      heaps.setKey(expert, counts.values[expert]! + bonus * counts.whole())
    },
    readiness(key, layer, now) {
      const chance = Math.max(LEAST_CHANCE, key / counts.whole())
      return layersUntil(layer, now, numLayers) + numLayers * (1 / chance - 1)
    },
  })
}

function createLastUses(numExperts: number): LastUses {
  return {
    step: NaN,
    previousStep: NaN,
    experts: new Int32Array(numExperts),
    numExperts: 0,
    numBefore: 0,
    shareBefore: 0,
    numReused: 0,
  }
}
