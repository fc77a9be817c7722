import { createKeyedPolicy } from "./createKeyedPolicy.ts"
import type { EvictionPolicy, ExpertGrid } from "./EvictionPolicy.ts"
import { layersUntil } from "./layersUntil.ts"

/** More than any number of steps, and leaving bits for parts of a step: layers that this step has passed come before all others. */
const PASSED = 2 ** 40

/**
 * Puts to sleep what belongs to layers that this step has passed, since they are needed last; of these what was used in the earliest step.
 *
 * @see SpecMD's Least-Stale, as we read it: layers are visited in a cycle, so that LRU evicts what is needed next
 */
export function createLeastStale(grid: ExpertGrid): EvictionPolicy {
  const { numLayers } = grid
  return createKeyedPolicy(grid, {
    touch: (heaps, expert, _layer, step) => heaps.setKey(expert, step),
    readiness: (key, layer, now) =>
      (layer <= now ? PASSED : 0) - key + layersUntil(layer, now, numLayers) / (numLayers + 1),
  })
}
