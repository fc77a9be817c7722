import fc from "fast-check"
import type { Load } from "../src/model/estimateServing.ts"
import type { Hardware } from "../src/model/Hardware.ts"
import { type ModelShape, totalParameters } from "../src/model/ModelShape.ts"

export const modelShape: fc.Arbitrary<ModelShape> = fc
  .record({
    numSharedParameters: fc.integer({ min: 1, max: 2e9 }),
    numLookupParameters: fc.integer({ min: 0, max: 1e9 }),
    numExpertParameters: fc.integer({ min: 1, max: 1e8 }),
    numMoeLayers: fc.integer({ min: 1, max: 100 }),
    numExperts: fc.integer({ min: 1, max: 256 }),
    topKShare: fc.integer({ min: 0, max: 100 }).map((percent) => percent / 100),
    bytesPerWeight: fc.constantFrom(0.5, 1, 2, 4),
  })
  .map(({ topKShare, bytesPerWeight, ...shape }) => ({
    ...shape,
    topK: Math.max(1, Math.round(shape.numExperts * topKShare)),
    sharedBytesPerWeight: bytesPerWeight,
    expertBytesPerWeight: bytesPerWeight,
  }))

/** The same weights in a model without experts. */
export function denseModel(shape: ModelShape): ModelShape {
  return {
    ...shape,
    numSharedParameters: totalParameters(shape) - shape.numLookupParameters,
    numExpertParameters: 0,
    numMoeLayers: 0,
    numExperts: 1,
    topK: 1,
  }
}

/** Not fast-check's doubles, which are mostly tiny. */
const rate = (min: number, max: number): fc.Arbitrary<number> =>
  fc.integer({ min: 0, max: 1000 }).map((part) => min + ((max - min) * part) / 1000)

export const hardware: fc.Arbitrary<Hardware> = fc.record({
  usdPerHour: rate(0.01, 100),
  powerWatts: rate(1, 10_000),
  pue: rate(1, 2),
  usdPerKWh: rate(0, 1),
  memoryBytesPerSec: rate(1e9, 1e13),
  flopsPerSec: rate(1e9, 1e16),
  diskBytesPerSec: rate(1e7, 1e11),
})

export const load: fc.Arbitrary<Load> = fc.record({
  numRows: fc.integer({ min: 1, max: 512 }),
  hitRate: rate(0, 1),
  fixedMs: rate(0, 100),
  utilisation: rate(0.01, 1),
})
