import { describe, expect, test } from "bun:test"
import fc from "fast-check"
import { needsArb, policyArb } from "../../test/playRouting.ts"
import { createEvictionPolicy } from "../eviction/createEvictionPolicy.ts"
import { createPrefetchPlan, forecastFromPrevious, planPrefetch } from "./planPrefetch.ts"
import { planResidency } from "./planResidency.ts"
import { createResidency, freeFrame, takeFrame } from "./Residency.ts"
import { createResidencyPlan } from "./ResidencyPlan.ts"

const grid = { numLayers: 3, numExperts: 4 }

/** Four frames hold experts 0, 1 of layer 0 and 4, 5 of layer 1, which has just been planned. */
function afterTwoLayers() {
  const residency = createResidency(grid, 4, createEvictionPolicy("lru", grid))
  const plan = createResidencyPlan(grid)
  planResidency(plan, residency, { step: 0, layer: 0, needed: Int32Array.of(0, 1), numNeeded: 2 })
  planResidency(plan, residency, { step: 0, layer: 1, needed: Int32Array.of(4, 5), numNeeded: 2 })
  return { residency, plan, prefetch: createPrefetchPlan(grid) }
}

describe("planPrefetch", () => {
  test("reads the likeliest that sleep, in place of what the policy gives up, and never of what this layer needs", () => {
    const { residency, prefetch } = afterTwoLayers()
    planPrefetch(prefetch, residency, {
      layer: 2,
      expertIds: Int32Array.of(3, -1, 1, 0),
      numExpertIds: 4,
      maxReads: 8,
    })
    expect(Array.from(prefetch.wake.subarray(0, prefetch.numWoken))).toEqual([11, 9])
    expect(Array.from(prefetch.sleep.subarray(0, prefetch.numSlept))).toEqual([0, 1])
  })

  test("reads no more than it may", () => {
    const { residency, prefetch } = afterTwoLayers()
    planPrefetch(prefetch, residency, {
      layer: 2,
      expertIds: Int32Array.of(3, 1),
      numExpertIds: 2,
      maxReads: 1,
    })
    expect([prefetch.numWoken, prefetch.numSlept]).toEqual([1, 1])
  })

  test("a layer that needs the frames takes back what was read ahead in vain", () => {
    const { residency, plan, prefetch } = afterTwoLayers()
    planPrefetch(prefetch, residency, {
      layer: 0,
      expertIds: Int32Array.of(2, 3),
      numExpertIds: 2,
      maxReads: 2,
    })
    planResidency(plan, residency, {
      step: 0,
      layer: 2,
      needed: Int32Array.of(8, 9, 10, 11),
      numNeeded: 4,
    })
    expect(plan.numWaves).toBe(1)
    expect(residency.numFree).toBe(0)
  })

  test("what is free is taken first, and each plan is written anew", () => {
    const { residency, prefetch } = afterTwoLayers()
    const forecast = { layer: 2, expertIds: Int32Array.of(0, 1), numExpertIds: 2, maxReads: 8 }
    freeFrame(residency, 0)
    planPrefetch(prefetch, residency, { ...forecast, numExpertIds: 1 })
    expect([prefetch.numWoken, prefetch.wake[0], prefetch.numSlept]).toEqual([1, 8, 0])
    planPrefetch(prefetch, residency, forecast)
    expect([prefetch.numWoken, prefetch.wake[0], prefetch.numSlept, prefetch.sleep[0]]).toEqual([1, 9, 1, 1])
    planPrefetch(prefetch, residency, forecast)
    expect([prefetch.numWoken, prefetch.numSlept]).toEqual([0, 0])
  })

  test("what is forecast is kept until its layer's turn, in which it is free to go; nobody else's is", () => {
    const { residency, plan, prefetch } = afterTwoLayers()
    planPrefetch(prefetch, residency, {
      layer: 0,
      expertIds: Int32Array.of(0, -1),
      numExpertIds: 2,
      maxReads: 8,
    })
    const evictable = (): number[] => [0, 1, 4, 5].filter((expert) => residency.isEvictable(expert))
    expect(evictable()).toEqual([1])
    planResidency(plan, residency, { step: 0, layer: 2, needed: Int32Array.of(), numNeeded: 0 })
    expect(evictable()).toEqual([1, 4, 5])
    expect(residency.isUnneeded(0)).toBe(true)
    planResidency(plan, residency, { step: 1, layer: 0, needed: Int32Array.of(), numNeeded: 0 })
    expect(evictable()).toEqual([0, 1, 4, 5])
  })

  test("of a forecast that names nobody, the last expert of the layer before is not kept", () => {
    const residency = createResidency(grid, 4, createEvictionPolicy("lru", grid))
    const plan = createResidencyPlan(grid)
    planResidency(plan, residency, { step: 0, layer: 0, needed: Int32Array.of(3), numNeeded: 1 })
    planResidency(plan, residency, { step: 0, layer: 2, needed: Int32Array.of(), numNeeded: 0 })
    planPrefetch(createPrefetchPlan(grid), residency, {
      layer: 1,
      expertIds: Int32Array.of(-1),
      numExpertIds: 1,
      maxReads: 8,
    })
    expect(residency.isEvictable(3)).toBe(true)
  })

  test("frames are neither taken twice nor kept for what has lost its own", () => {
    const { residency, prefetch } = afterTwoLayers()
    expect(() => takeFrame(residency, 11)).toThrow("no frame is free for expert 11")
    planPrefetch(prefetch, residency, { layer: 2, expertIds: Int32Array.of(3), numExpertIds: 1, maxReads: 1 })
    expect(residency.isEvictable(11)).toBe(false)
    freeFrame(residency, 11)
    takeFrame(residency, 11)
    expect(residency.isEvictable(11)).toBe(true)
  })

  test("forecasts a layer's previous step: of this step where it has run, of the one before where it comes", () => {
    const { residency, plan } = afterTwoLayers()
    const ids = new Int32Array(grid.numExperts)
    const forecast = (layer: number) => Array.from(ids.subarray(0, forecastFromPrevious(ids, residency, layer)))
    expect([forecast(0), forecast(1), forecast(2)]).toEqual([[0, 1], [0, 1], []])
    planResidency(plan, residency, { step: 0, layer: 2, needed: Int32Array.of(9), numNeeded: 1 })
    planResidency(plan, residency, { step: 1, layer: 0, needed: Int32Array.of(3), numNeeded: 1 })
    expect([forecast(0), forecast(1), forecast(2)]).toEqual([[3], [0, 1], [1]])
  })

  test("with every policy and any forecast, layers find their frames as before", () => {
    fc.assert(
      fc.property(needsArb, policyArb, fc.integer({ min: 1, max: 24 }), ({ grid, steps }, createPolicy, numFrames) => {
        const residency = createResidency(grid, numFrames, createPolicy(grid))
        const plan = createResidencyPlan(grid)
        const prefetch = createPrefetchPlan(grid)
        for (const [step, layers] of steps.entries()) {
          for (const [layer, ids] of layers.entries()) {
            const needed = Int32Array.from(ids, (id) => layer * grid.numExperts + id)
            planResidency(plan, residency, { step, layer, needed, numNeeded: needed.length })
            if (needed.length <= numFrames) expect(plan.numWaves).toBeLessThanOrEqual(1)
            const inUse = [...needed].filter((expert) => residency.isHeld[expert] === 1)
            const next = (layer + 1) % grid.numLayers
            const expertIds = Int32Array.from(ids)
            planPrefetch(prefetch, residency, {
              layer: next,
              expertIds,
              numExpertIds: ids.length,
              maxReads: 3,
            })
            for (const expert of inUse) expect(residency.isHeld[expert]).toBe(1)
            expect(residency.isHeld.reduce((sum, held) => sum + held, 0)).toBe(numFrames - residency.numFree)
          }
        }
      }),
    )
  })
})
