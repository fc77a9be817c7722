import { createKeyedPolicy } from "./createKeyedPolicy.ts"
import type { EvictionPolicy, ExpertGrid } from "./EvictionPolicy.ts"

/** Puts the expert to sleep that was used least recently. */
export function createLru(grid: ExpertGrid): EvictionPolicy {
  return createKeyedPolicy(grid, {
    touch: (heaps, expert, layer, step) => heaps.setKey(expert, step * grid.numLayers + layer),
    readiness: (key) => -key,
  })
}
