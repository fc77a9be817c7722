import fc from "fast-check"
import { createEvictionPolicy, EVICTION_NAMES, type ExpertGrid } from "../src/index.ts"

/** Needs of some steps: ids of each layer, each once. */
export interface Needs {
  readonly grid: ExpertGrid
  readonly steps: readonly (readonly (readonly number[])[])[]
}

/** Small models whose layers need some experts, none or all. */
export const needsArb: fc.Arbitrary<Needs> = fc
  .record({ numLayers: fc.integer({ min: 1, max: 4 }), numExperts: fc.integer({ min: 1, max: 6 }) })
  .chain((grid) => {
    const layer = fc.uniqueArray(fc.nat({ max: grid.numExperts - 1 }), {
      maxLength: grid.numExperts,
    })
    const step = fc.array(layer, { minLength: grid.numLayers, maxLength: grid.numLayers })
    return fc.record({
      grid: fc.constant(grid),
      steps: fc.array(step, { minLength: 1, maxLength: 12 }),
    })
  })

export const policyArb = fc
  .constantFrom(...EVICTION_NAMES)
  .map((name) => (grid: ExpertGrid) => createEvictionPolicy(name, grid))
