import { type AwakeHeaps, createAwakeHeaps } from "./createAwakeHeaps.ts"
import type { EvictionPolicy, ExpertGrid } from "./EvictionPolicy.ts"

/** What makes one policy of keys differ from another. */
export interface KeyRules {
  /** Notes a use: sets keys. */
  touch(heaps: AwakeHeaps, expert: number, layer: number, step: number): void
  /** Returns how willingly the layer's expert of the least key is put to sleep, while layer `now` runs: the largest of all layers goes. */
  readiness(key: number, layer: number, now: number): number
}

/**
 * Creates a policy that keeps the awake experts of each layer in order of a key, and compares the least of each layer.
 *
 * So keys may be anything that orders the experts of one layer until the next use, and a victim costs one comparison a layer.
 */
export function createKeyedPolicy(grid: ExpertGrid, rules: KeyRules): EvictionPolicy {
  const { numLayers, numExperts } = grid
  const heaps = createAwakeHeaps(grid)
  return {
    touch: (expert, step) => rules.touch(heaps, expert, Math.floor(expert / numExperts), step),
    woke: (expert) => heaps.add(expert),
    slept: (expert) => heaps.remove(expert),
    victim(now, isEvictable) {
      let victim = -1
      let most = -Infinity
      for (let layer = 0; layer < numLayers; layer++) {
        const expert = heaps.least(layer, isEvictable)
        if (expert < 0) continue
        const readiness = rules.readiness(heaps.keys[expert]!, layer, now)
        if (victim >= 0 && readiness <= most) continue
        victim = expert
        most = readiness
      }
      return victim
    },
  }
}
