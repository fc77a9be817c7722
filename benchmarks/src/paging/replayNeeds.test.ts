import { createEvictionPolicy, EVICTION_NAMES, type EvictionPolicy } from "@consilium/scheduling"
import { describe, expect, test } from "bun:test"
import fc from "fast-check"
import { createBelady } from "./createBelady.ts"
import { type Foresight, type Replay, replayNeeds } from "./replayNeeds.ts"
import type { TraceNeeds } from "./traceNeeds.ts"

/** Small traces whose layers each need one to `most` experts; what is forecast has nothing to do with it. */
function needsArb(most: number, maxSteps: number): fc.Arbitrary<TraceNeeds> {
  const sizes = fc.record({ numLayers: fc.integer({ min: 1, max: 2 }), numExperts: fc.integer({ min: most, max: 4 }) })
  return fc.tuple(sizes, fc.integer({ min: 1, max: maxSteps })).chain(([grid, numSteps]) => {
    const ids = fc.uniqueArray(fc.nat({ max: grid.numExperts - 1 }), { minLength: 1, maxLength: most })
    const turns = fc.array(ids, { minLength: numSteps * grid.numLayers, maxLength: numSteps * grid.numLayers })
    return fc.tuple(turns, turns).map(([needed, forecasts]) => ({
      grid,
      numSteps,
      needed: needed.map((ids, turn) => Int32Array.from(ids, (id) => (turn % grid.numLayers) * grid.numExperts + id)),
      forecasts: forecasts.map((ids) => Int32Array.from(ids)),
    }))
  })
}

function replay(needs: TraceNeeds, numFrames: number, policy: EvictionPolicy, foresight: Foresight = "none"): Replay {
  return replayNeeds(needs, { numFrames, policy, foresight, maxReads: 2 })
}

/** The most hits that any choice of victims has: all of them are tried. */
function mostHits({ needed }: TraceNeeds, numFrames: number): number {
  const known = new Map<string, number>()
  const from = (turn: number, awake: readonly number[]): number => {
    const experts = needed[turn]
    if (experts === undefined) return 0
    const key = `${turn}: ${awake.join()}`
    const found = known.get(key)
    if (found !== undefined) return found
    const numHits = experts.filter((expert) => awake.includes(expert)).length
    const others = awake.filter((expert) => !experts.includes(expert))
    const kept = subsets(others, Math.min(others.length, numFrames - experts.length))
    const most = Math.max(
      ...kept.map((some) =>
        from(
          turn + 1,
          [...experts, ...some].sort((a, b) => a - b),
        ),
      ),
    )
    known.set(key, numHits + most)
    return numHits + most
  }
  return from(0, [])
}

function subsets(all: readonly number[], size: number): number[][] {
  if (size === 0) return [[]]
  return all.flatMap((first, i) => subsets(all.slice(i + 1), size - 1).map((rest) => [first, ...rest]))
}

describe("replayNeeds", () => {
  test("Belady has as many hits as the best of all choices", () => {
    fc.assert(
      fc.property(needsArb(2, 7), fc.integer({ min: 2, max: 5 }), (needs, numFrames) => {
        expect(replay(needs, numFrames, createBelady(needs)).numHits).toBe(mostHits(needs, numFrames))
      }),
    )
  })

  test("no policy has more hits than Belady, and none fewer where there is a frame for every expert", () => {
    const args = [needsArb(3, 30), fc.integer({ min: 3, max: 8 }), fc.constantFrom(...EVICTION_NAMES)] as const
    fc.assert(
      fc.property(...args, (needs, numFrames, name) => {
        const { numHits } = replay(needs, numFrames, createEvictionPolicy(name, needs.grid))
        const best = replay(needs, numFrames, createBelady(needs)).numHits
        if (numFrames < needs.grid.numLayers * needs.grid.numExperts) expect(numHits).toBeLessThanOrEqual(best)
        else expect(numHits).toBe(best)
      }),
    )
  })

  test("of what is read ahead, no more is used than was read or needed", () => {
    const foresights = fc.constantFrom<Foresight>("previous", "lookahead")
    fc.assert(
      fc.property(needsArb(3, 30), fc.integer({ min: 1, max: 8 }), foresights, (needs, numFrames, foresight) => {
        const policy = createEvictionPolicy("next-use", needs.grid)
        const { numNeeded, numHits, numReadAhead, numUsed } = replay(needs, numFrames, policy, foresight)
        expect(numUsed).toBeLessThanOrEqual(Math.min(numReadAhead, numHits))
        expect(numNeeded).toBe(needs.needed.reduce((sum, { length }) => sum + length, 0))
      }),
    )
  })

  test("forecasts that are right leave nothing to wait for but the first layer", () => {
    const needed = [[0], [4], [1], [5], [2], [6]].map((experts) => Int32Array.from(experts))
    const forecasts = [[], [0], [1], [1], [2], [2]].map((ids) => Int32Array.from(ids))
    const needs = { grid: { numLayers: 2, numExperts: 4 }, numSteps: 3, needed, forecasts }
    const policy = createEvictionPolicy("next-use", needs.grid)
    expect(replay(needs, 2, policy, "lookahead")).toEqual({ numNeeded: 6, numHits: 5, numReadAhead: 5, numUsed: 5 })
  })
})
