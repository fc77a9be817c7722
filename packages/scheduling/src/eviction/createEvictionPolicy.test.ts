import { describe, expect, test } from "bun:test"
import fc from "fast-check"
import { createAwakeHeaps } from "./createAwakeHeaps.ts"
import { createEvictionPolicy, EVICTION_NAMES, type EvictionName } from "./createEvictionPolicy.ts"
import type { EvictionPolicy } from "./EvictionPolicy.ts"

const grid = { numLayers: 3, numExperts: 4 }
const anyone = (): boolean => true

/** A policy after some uses, all of whose experts are awake. */
function after(name: EvictionName, uses: readonly (readonly [expert: number, step: number])[]): EvictionPolicy {
  const policy = createEvictionPolicy(name, grid)
  for (const [expert, step] of uses) policy.touch(expert, step)
  for (const expert of new Set(uses.map(([expert]) => expert))) policy.woke(expert)
  return policy
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
  test("gives what a search gives, whatever is added, removed and changed", () => {
    const call = fc.record({
      expert: fc.nat({ max: 11 }),
      key: fc.option(fc.integer({ min: 0, max: 3 }), { nil: undefined }),
    })
    fc.assert(
      fc.property(fc.array(call, { maxLength: 60 }), fc.nat({ max: 4095 }), (calls, mask) => {
        const heaps = createAwakeHeaps(grid)
        const awake = new Set<number>()
        const isEvictable = (expert: number): boolean => ((mask >> expert) & 1) === 1
        for (const { expert, key } of calls) {
          if (key !== undefined) heaps.setKey(expert, key)
          else if (awake.delete(expert)) heaps.remove(expert)
          else {
            awake.add(expert)
            heaps.add(expert)
          }
          for (let layer = 0; layer < 3; layer++) {
            const inOrder = [...awake]
              .filter((expert) => Math.floor(expert / 4) === layer && isEvictable(expert))
              .sort((a, b) => heaps.keys[a]! - heaps.keys[b]! || a - b)
            expect(heaps.least(layer, isEvictable)).toBe(inOrder[0] ?? -1)
          }
        }
      }),
    )
  })
})
