import { createKeyedPolicy } from "./createKeyedPolicy.ts"
import { createUseCounts } from "./createUseCounts.ts"
import type { EvictionPolicy, ExpertGrid } from "./EvictionPolicy.ts"
import { layersUntil } from "./layersUntil.ts"

/** Nobody is thought to be used less often than once in so many steps. */
const LEAST_SHARE = 1e-6

/**
 * Puts the expert to sleep whose next use is expected last: its layer's next turn, and from then on one step in as many as have used it lately.
 *
 * Where routing is steady and layers take turns, that is what Belady's optimum would do if it knew no more than the past.
 */
export function createNextUse(grid: ExpertGrid, halfLife: number): EvictionPolicy {
  const { numLayers } = grid
  const counts = createUseCounts(halfLife)
  return createKeyedPolicy(grid, {
    name: `next use, half-life ${halfLife}`,
    touch(heaps, expert, _layer, step) {
      counts.advance(heaps, step)
      heaps.setKey(expert, heaps.keys[expert]! + counts.weight())
    },
    readiness: (key, layer, now) =>
      layersUntil(layer, now, numLayers) + numLayers * (1 / Math.max(LEAST_SHARE, counts.share(key)) - 1),
  })
}
