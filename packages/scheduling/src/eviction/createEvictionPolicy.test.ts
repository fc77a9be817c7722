import { describe, expect, test } from "bun:test"
import { createRandom } from "@consilium/tensor"
import fc from "fast-check"
import { plainReadiness, type Turn } from "../../test/plainReadiness.ts"
import { createAwakeHeaps } from "./createAwakeHeaps.ts"
import { createEvictionPolicy, EVICTION_NAMES, type EvictionName } from "./createEvictionPolicy.ts"
import { createUseCounts } from "./createUseCounts.ts"
import type { EvictionPolicy, ExpertGrid } from "./EvictionPolicy.ts"

const grid = { numLayers: 3, numExperts: 4 }
const anyone = (): boolean => true

/** A policy after some uses, all of whose experts are awake. */
function after(name: EvictionName, uses: readonly (readonly [expert: number, step: number])[]): EvictionPolicy {
  const policy = createEvictionPolicy(name, grid)
  for (const [expert, step] of uses) policy.touch(expert, step)
  for (const expert of new Set(uses.map(([expert]) => expert))) policy.woke(expert)
  return policy
}

/** Turns of 1 to 3 experts, low ones more often; each is likely, by `reuse`, one of the layer's turn before. */
function playTurns({ numLayers, numExperts }: ExpertGrid, seed: number, reuse: number, numTurns: number): Turn[] {
  const random = createRandom(seed)
  const turns: Turn[] = []
  for (let i = 0; i < numTurns; i++) {
    const layer = i % numLayers
    const before = turns[i - numLayers]?.experts ?? []
    const experts = Array.from({ length: 1 + Math.floor(3 * random()) }, (_, k) =>
      k < before.length && random() < reuse
        ? before[k]!
        : layer * numExperts + Math.floor(numExperts * random() * random()),
    )
    turns.push({ step: Math.floor(i / numLayers), layer, experts: [...new Set(experts)] })
  }
  return turns
}

describe("createEvictionPolicy", () => {
  test("lru: the one used least recently goes, layers of a step counting in turn", () => {
    const policy = after("lru", [
      [8, 0],
      [0, 1],
      [4, 1],
      [1, 0],
    ])
    expect(policy.victim(2, anyone)).toBe(1)
    expect(policy.victim(2, (expert) => expert !== 1)).toBe(8)
  })

  test("lfu and lfru: the one used least often goes, though it was used last", () => {
    for (const name of ["lfu", "lfru"] as const) {
      expect(
        after(name, [
          [0, 0],
          [0, 1],
          [4, 2],
        ]).victim(1, anyone),
      ).toBe(4)
    }
  })

  test("lfru forgets: many old uses count less than a new one", () => {
    const later = Array.from({ length: 100 }, (_, i) => [1, 3 + i] as const)
    const uses = [[0, 0], [0, 1], [0, 2], ...later, [4, 103]] as const
    expect(after("lfru", uses).victim(1, anyone)).toBe(0)
    expect(after("lfu", uses).victim(1, anyone)).toBe(4)
  })

  test("least-stale: what layers that have passed hold goes first, the earliest step of it, though others are older", () => {
    const policy = after("least-stale", [
      [8, 0],
      [0, 1],
      [1, 2],
      [4, 2],
    ])
    expect(policy.victim(1, anyone)).toBe(0)
  })

  test("next-use: of equally frequent ones the one whose layer's turn is last goes", () => {
    const policy = after("next-use", [
      [0, 0],
      [4, 0],
      [8, 0],
    ])
    expect([0, 1, 2].map((layer) => policy.victim(layer, anyone))).toEqual([0, 4, 8])
  })

  test("counts stay in order when weights have grown past all bounds", () => {
    const uses = Array.from({ length: 20_000 }, (_, step) => [step % 3 === 0 ? 1 : 0, step] as const)
    for (const name of EVICTION_NAMES.filter((name) => name !== "lru" && name !== "least-stale")) {
      expect(after(name, uses).victim(2, anyone)).toBe(1)
    }
  })

  test("who was used before weights were scaled down has no advantage over who was used since", () => {
    for (const [name, halfLife] of [["lfru", 16] as const, ["next-use", 256] as const]) {
      const policy = createEvictionPolicy(name, grid)
      for (let step = 0; step < 258 * halfLife; step++) policy.touch(step < 255 * halfLife ? 0 : 1, step)
      policy.woke(0)
      policy.woke(1)
      expect(policy.victim(2, anyone)).toBe(0)
    }
  })

  test("every policy: of those that are equally ready the lower layer's lower expert goes", () => {
    for (const name of EVICTION_NAMES) {
      const policy = createEvictionPolicy(name, { numLayers: 3, numExperts: 8 })
      for (const expert of [23, 22, 15, 7, 6, 5]) policy.woke(expert)
      // Of layers that have all passed, two policies prefer the one whose turn is last.
      const isByLayer = name === "least-stale" || name === "next-use"
      expect(policy.victim(2, anyone)).toBe(isByLayer ? 22 : 5)
      expect(policy.victim(2, (expert) => expert !== 22 && expert !== 5)).toBe(isByLayer ? 23 : 6)
    }
  })

  test.each([...EVICTION_NAMES])("%s: the victim is who its definition finds among all uses so far", (name) => {
    fc.assert(
      fc.property(fc.nat(), fc.constantFrom(1, 2, 5, 48), fc.constantFrom(0, 0.8), (seed, numLayers, reuse) => {
        const grid = { numLayers, numExperts: 8 }
        const policy = createEvictionPolicy(name, grid)
        const frames = new Set<number>()
        const turns: Turn[] = []
        for (const turn of playTurns(grid, seed, reuse, 150)) {
          const { step, layer, experts } = turn
          for (const expert of experts) policy.touch(expert, step)
          turns.push(turn)
          const mayGo = (other: number): boolean => !experts.includes(other)
          for (const expert of experts.filter((expert) => !frames.has(expert))) {
            if (frames.size === 5) {
              const victim = policy.victim(layer, mayGo)
              if (turns.length % 4 === 0) {
                const readiness = plainReadiness(name, grid, turns)
                const most = Math.max(...[...frames].filter(mayGo).map((other) => readiness(other, layer)))
                expect(readiness(victim, layer)).toBeGreaterThan(most - 1e-9 * Math.abs(most) - 1e-12)
              }
              frames.delete(victim)
              policy.slept(victim)
            }
            frames.add(expert)
            policy.woke(expert)
          }
        }
      }),
      { numRuns: 20 },
    )
  })

  test("every policy: nobody is a victim who sleeps or may not be, and somebody is where somebody may be", () => {
    const call = fc.record({
      kind: fc.constantFrom("touch", "toggle"),
      expert: fc.nat({ max: 11 }),
    })
    fc.assert(
      fc.property(fc.constantFrom(...EVICTION_NAMES), fc.array(call), fc.nat({ max: 4095 }), (name, calls, mask) => {
        const policy = createEvictionPolicy(name, grid)
        const awake = new Set<number>()
        for (const [step, { kind, expert }] of calls.entries()) {
          if (kind === "touch") policy.touch(expert, step)
          else if (awake.delete(expert)) policy.slept(expert)
          else {
            awake.add(expert)
            policy.woke(expert)
          }
          const isEvictable = (expert: number): boolean => ((mask >> expert) & 1) === 1
          const evictable = [...awake].filter(isEvictable)
          const victim = policy.victim(step % 3, isEvictable)
          if (evictable.length === 0) expect(victim).toBe(-1)
          else expect(evictable).toContain(victim)
        }
      }),
    )
  })
})

describe("createAwakeHeaps", () => {
  const large = { numLayers: 2, numExperts: 16 }

  test("gives what a search gives, whatever is added, removed, changed and scaled", () => {
    const call = fc.record({
      expert: fc.nat({ max: 31 }),
      key: fc.option(fc.integer({ min: 0, max: 20 }), { nil: undefined }),
    })
    const mask = fc.oneof(fc.constant(2 ** 32 - 1), fc.nat({ max: 2 ** 32 - 1 }))
    fc.assert(
      fc.property(fc.array(call, { maxLength: 120, size: "max" }), mask, (calls, evictable) => {
        const heaps = createAwakeHeaps(large)
        const awake = new Set<number>()
        const isEvictable = (expert: number): boolean => ((evictable >>> expert) & 1) === 1
        for (const { expert, key } of calls) {
          if (key === 0) heaps.scaleKeys(0.5)
          else if (key !== undefined) heaps.setKey(expert, key)
          else if (awake.delete(expert)) heaps.remove(expert)
          else {
            awake.add(expert)
            heaps.add(expert)
          }
          for (let layer = 0; layer < 2; layer++) {
            const inOrder = [...awake]
              .filter((expert) => Math.floor(expert / 16) === layer && isEvictable(expert))
              .sort((a, b) => heaps.keys[a]! - heaps.keys[b]! || a - b)
            expect(heaps.least(layer, isEvictable)).toBe(inOrder[0] ?? -1)
          }
        }
      }),
    )
  })

  test("emptied from the top, whole layers come out in order", () => {
    const keys = fc.array(fc.integer({ min: 0, max: 9 }), { minLength: 32, maxLength: 32 })
    fc.assert(
      fc.property(keys, (all) => {
        const heaps = createAwakeHeaps(large)
        for (const [expert, key] of all.entries()) {
          heaps.add(expert)
          heaps.setKey(expert, key)
        }
        for (const layer of [0, 1]) {
          const out = Array.from({ length: 16 }, () => {
            const expert = heaps.least(layer, anyone)
            heaps.remove(expert)
            return expert
          })
          const inOrder = Array.from({ length: 16 }, (_, e) => 16 * layer + e).sort(
            (a, b) => all[a]! - all[b]! || a - b,
          )
          expect(out).toEqual(inOrder)
          expect(heaps.least(layer, anyone)).toBe(-1)
        }
      }),
    )
  })

  test("nobody wakes twice, or falls asleep who sleeps", () => {
    const heaps = createAwakeHeaps(grid)
    heaps.add(5)
    expect(() => heaps.add(5)).toThrow("expert 5 is awake already")
    heaps.remove(5)
    expect(() => heaps.remove(5)).toThrow("expert 5 is not awake")
  })
})

describe("createUseCounts", () => {
  test("a use counts half after each half-life of steps, and values over the whole are shares of them", () => {
    const steps = fc.array(fc.uniqueArray(fc.nat({ max: 11 }), { maxLength: 4 }), { minLength: 1, maxLength: 40 })
    fc.assert(
      fc.property(steps, fc.integer({ min: 1, max: 64 }), (used, halfLife) => {
        const counts = createUseCounts(grid, halfLife)
        for (const [step, experts] of used.entries()) {
          // Idle time forgets nothing: steps that it does not hear of do not count.
          expect([counts.advance(3 * step), counts.advance(3 * step)]).toEqual([1, 1])
          for (const expert of experts) counts.add(expert)
        }
        const weightOf = (step: number): number => 2 ** ((step - used.length) / halfLife)
        const whole = used.reduce((sum, _, step) => sum + weightOf(step), 0)
        for (const expert of counts.values.keys()) {
          const own = used.reduce((sum, experts, step) => sum + (experts.includes(expert) ? weightOf(step) : 0), 0)
          expect(counts.values[expert]! / counts.whole()).toBeCloseTo(own / whole, 9)
        }
      }),
    )
  })

  test("scaled down it says by what, and shares stay", () => {
    const counts = createUseCounts(grid, 1)
    const factors: number[] = []
    for (let step = 0; step < 1000; step++) {
      const [value, whole] = [counts.values[3]!, counts.whole()]
      const factor = counts.advance(step)
      if (factor !== 1) {
        expect(counts.values[3]).toBeCloseTo(value * factor, 12)
        // The new step weighs 1, all before it as much together.
        expect(counts.whole()).toBeCloseTo(whole * factor + 1, 12)
        factors.push(factor)
      }
      counts.add(3)
    }
    expect(factors).toEqual([2 ** -257, 2 ** -257, 2 ** -257])
    expect(counts.values[3]! / counts.whole()).toBeCloseTo(1, 12)
  })
})
