import { describe, expect, test } from "bun:test"
import fc from "fast-check"
import { needsArb, policyArb } from "../../test/playRouting.ts"
import { createEvictionPolicy } from "../eviction/createEvictionPolicy.ts"
import { createPrefetchPlan, planPrefetch } from "./planPrefetch.ts"
import { planResidency } from "./planResidency.ts"
import { createResidency, type Residency } from "./Residency.ts"
import { createResidencyPlan, type ResidencyPlan, type WaveList } from "./ResidencyPlan.ts"

const waveOf = ({ experts, ends }: WaveList, wave: number): number[] =>
  Array.from(experts.subarray(wave === 0 ? 0 : ends[wave - 1]!, ends[wave]!))

const heldBy = ({ isHeld }: Residency): number[] => [...isHeld.keys()].filter((expert) => isHeld[expert] === 1)

/** Carries a plan out and checks what it promises; `awake` is changed. */
function carryOut(plan: ResidencyPlan, awake: Set<number>, needed: readonly number[], numFrames: number): void {
  const run: number[] = []
  const woken: number[] = []
  for (let wave = 0; wave < plan.numWaves; wave++) {
    for (const expert of waveOf(plan.sleep, wave)) {
      expect(awake.delete(expert)).toBe(true)
      expect(waveOf(plan.run, wave)).not.toContain(expert)
      if (wave > 0 && numFrames > 1) expect(waveOf(plan.run, wave - 1)).not.toContain(expert)
    }
    for (const expert of waveOf(plan.wake, wave)) {
      expect(awake.has(expert)).toBe(false)
      awake.add(expert)
      woken.push(expert)
    }
    expect(awake.size).toBeLessThanOrEqual(numFrames)
    for (const expert of waveOf(plan.run, wave)) expect(awake.has(expert)).toBe(true)
    run.push(...waveOf(plan.run, wave))
  }
  expect(run.toSorted((a, b) => a - b)).toEqual(needed.toSorted((a, b) => a - b))
  expect(new Set(woken).size).toBe(woken.length)
}

describe("planResidency", () => {
  test("every policy, with any number of frames: each needed expert runs once, is read once at most, and frames are neither lost nor made", () => {
    fc.assert(
      fc.property(needsArb, policyArb, fc.integer({ min: 1, max: 24 }), ({ grid, steps }, createPolicy, numFrames) => {
        const residency = createResidency(grid, numFrames, createPolicy(grid))
        const plan = createResidencyPlan(grid)
        const awake = new Set<number>()
        for (const [step, layers] of steps.entries()) {
          for (const [layer, ids] of layers.entries()) {
            const needed = ids.map((id) => layer * grid.numExperts + id)
            planResidency(plan, residency, {
              step,
              layer,
              needed: Int32Array.from(needed),
              numNeeded: needed.length,
            })
            carryOut(plan, awake, needed, numFrames)
            expect(heldBy(residency)).toEqual([...awake].toSorted((a, b) => a - b))
            expect(residency.numFree).toBe(numFrames - awake.size)
            if (needed.length <= numFrames) expect(plan.numWaves).toBeLessThanOrEqual(1)
          }
        }
      }),
    )
  })

  test("what somebody holds is never put to sleep, not even by waves", () => {
    fc.assert(
      fc.property(needsArb, policyArb, fc.integer({ min: 2, max: 24 }), ({ grid, steps }, createPolicy, numFrames) => {
        const residency = createResidency(grid, numFrames, createPolicy(grid))
        const plan = createResidencyPlan(grid)
        for (const [step, layers] of steps.entries()) {
          for (const [layer, ids] of layers.entries()) {
            const needed = Int32Array.from(ids, (id) => layer * grid.numExperts + id)
            planResidency(plan, residency, { step, layer, needed, numNeeded: needed.length })
            const held = heldBy(residency)
            // Hold all but one frame, those that came first.
            const numHeld = held.filter((expert) => residency.numHolds[expert]! > 0).length
            if (held.length > 1 && numHeld < numFrames - 1) residency.numHolds[held[0]!] = 1
          }
        }
        for (const [expert, holds] of residency.numHolds.entries())
          if (holds > 0) expect(residency.isHeld[expert]).toBe(1)
      }),
    )
  })

  test("the policy hears of each use, in its step, and what was read ahead goes last", () => {
    const grid = { numLayers: 3, numExperts: 4 }
    const policy = createEvictionPolicy("lru", grid)
    const uses: [number, number][] = []
    const residency = createResidency(grid, 3, {
      ...policy,
      touch: (expert, step) => {
        uses.push([expert, step])
        policy.touch(expert, step)
      },
    })
    const plan = createResidencyPlan(grid)
    planResidency(plan, residency, { step: 4, layer: 0, needed: Int32Array.of(0, 1, 7), numNeeded: 2 })
    expect(uses).toEqual([
      [0, 4],
      [1, 4],
    ])
    const prefetch = createPrefetchPlan(grid)
    // Of expert 0 nobody knows; the others are read ahead, though they were used no later.
    planPrefetch(prefetch, residency, { layer: 2, expertIds: Int32Array.of(0), numExpertIds: 1, maxReads: 1 })
    planResidency(plan, residency, { step: 4, layer: 1, needed: Int32Array.of(4), numNeeded: 1 })
    expect(heldBy(residency)).toEqual([1, 4, 8])
    planResidency(plan, residency, { step: 4, layer: 1, needed: Int32Array.of(4, 5, 6), numNeeded: 3 })
    expect(heldBy(residency)).toEqual([4, 5, 6])
  })

  test("waves are of the frames that nobody else holds", () => {
    const grid = { numLayers: 1, numExperts: 12 }
    const residency = createResidency(grid, 6, createEvictionPolicy("lru", grid))
    const plan = createResidencyPlan(grid)
    const need = (ids: number[], step: number): void =>
      planResidency(plan, residency, { step, layer: 0, needed: Int32Array.from(ids), numNeeded: ids.length })
    need([0, 1, 2, 3, 4, 5], 0)
    residency.numHolds[0] = 1
    residency.numHolds[1] = 1
    need([0, 1, 2, 3, 4, 5, 6, 7, 8, 9], 1)
    // Four frames can be had of those that run: two at a time.
    expect(plan.numWaves).toBe(5)
    expect(heldBy(residency)).toContain(0)
    expect(heldBy(residency)).toContain(1)
  })

  test("waves read half of the frames while the other half computes", () => {
    const grid = { numLayers: 1, numExperts: 8 }
    const residency = createResidency(grid, 4, createEvictionPolicy("lru", grid))
    const plan = createResidencyPlan(grid)
    planResidency(plan, residency, {
      step: 0,
      layer: 0,
      needed: Int32Array.from({ length: 8 }, (_, e) => e),
      numNeeded: 8,
    })
    expect(plan.numWaves).toBe(4)
    expect([0, 1, 2, 3].map((wave) => waveOf(plan.wake, wave))).toEqual([
      [0, 1],
      [2, 3],
      [4, 5],
      [6, 7],
    ])
    expect([0, 1, 2, 3].map((wave) => waveOf(plan.sleep, wave))).toEqual([[], [], [0, 1], [2, 3]])
  })

  test("where others hold every frame it says so", () => {
    const grid = { numLayers: 2, numExperts: 2 }
    const residency = createResidency(grid, 1, createEvictionPolicy("lru", grid))
    const plan = createResidencyPlan(grid)
    planResidency(plan, residency, { step: 0, layer: 0, needed: Int32Array.of(1), numNeeded: 1 })
    residency.numHolds[1] = 1
    expect(() => planResidency(plan, residency, { step: 0, layer: 1, needed: Int32Array.of(3), numNeeded: 1 })).toThrow(
      "no frame for expert 3",
    )
  })
})
