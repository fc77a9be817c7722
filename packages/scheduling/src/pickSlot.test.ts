import { describe, expect, test } from "bun:test"
import fc from "fast-check"
import { pickSlot, type SlotMemory } from "./index.ts"
import { sharedWithOthers } from "./SlotMemory.ts"

const NOW = 20
const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i)
const slot = (slotId: number, ids: number[], change: Partial<SlotMemory> = {}): SlotMemory => ({
  slotId,
  ids,
  numHeld: ids.length,
  isBusy: false,
  numUses: 1,
  since: slotId,
  ...change,
})
const take = (slotId: number, numReused: number, copyFrom?: number) => ({
  type: "take" as const,
  slotId,
  numReused,
  copyFrom,
})

describe("pickSlot: what is reused", () => {
  test("a conversation goes on in the slot that remembers it", () => {
    const slots = [slot(0, range(500, 540)), slot(1, range(0, 40)), slot(2, [])]
    expect(pickSlot(range(0, 60), slots, NOW)).toEqual(take(1, 40))
  })

  test("the last id is always computed", () => {
    expect(pickSlot(range(0, 40), [slot(0, range(0, 40))], NOW)).toEqual(take(0, 39))
  })

  test("a busy slot's beginning is copied", () => {
    const slots = [slot(0, range(0, 80), { isBusy: true }), slot(1, []), slot(2, [7], { since: 0 })]
    expect(pickSlot([...range(0, 50), 999], slots, NOW)).toEqual(take(2, 50, 0))
  })

  test("a long memory is not given up for a short prompt: its beginning is copied where that pays, else computed", () => {
    const slots = [slot(0, range(0, 1000)), slot(1, [])]
    expect(pickSlot([...range(0, 30), 5000], slots, NOW)).toEqual(take(1, 30, 0))
    expect(pickSlot([0, 1, 5000], slots, NOW)).toEqual(take(1, 0))
  })

  test("only state that is there is reused", () => {
    const slots = [slot(0, range(0, 100), { isBusy: true, numHeld: 90 }), slot(1, range(0, 60), { numHeld: 30 })]
    expect(pickSlot(range(0, 200), slots, NOW)).toEqual(take(1, 90, 0))
    expect(pickSlot(range(0, 70), slots, NOW)).toEqual(take(1, 69, 0))
  })
})

describe("pickSlot: what is waited for", () => {
  test("a beginning that another sequence is about to compute", () => {
    const slots = [slot(0, range(0, 300), { isBusy: true, numHeld: 100 }), slot(1, [])]
    expect(pickSlot([...range(0, 200), 999], slots, NOW)).toEqual({ type: "wait", slotId: 0, numHeld: 200 })
  })

  test("not what was known of one that has ended", () => {
    const slots = [slot(0, range(0, 300), { numHeld: 100 }), slot(1, [], { isBusy: true })]
    expect(pickSlot([...range(0, 200), 999], slots, NOW)).toEqual(take(0, 100))
  })

  test("not a short one, and not one that another slot holds already", () => {
    const busy = slot(0, range(0, 300), { isBusy: true, numHeld: 180 })
    expect(pickSlot([...range(0, 200), 999], [busy, slot(1, [])], NOW)).toEqual(take(1, 180, 0))
    const idle = slot(1, range(0, 190))
    expect(pickSlot([...range(0, 200), 999], [{ ...busy, numHeld: 0 }, idle], NOW)).toEqual(take(1, 190))
  })
})

describe("pickSlot: bounds and ties", () => {
  test("64 positions more are waited for, 63 are not", () => {
    const busy = slot(0, range(0, 300), { isBusy: true, numHeld: 36 })
    expect(pickSlot([...range(0, 100), 999], [busy, slot(1, [])], NOW)).toMatchObject({ type: "wait", numHeld: 100 })
    expect(pickSlot([...range(0, 99), 999], [busy, slot(1, [])], NOW)).toEqual(take(1, 36, 0))
  })

  test("16 positions are missed, 15 are not", () => {
    const [short, long] = [slot(0, range(0, 15)), slot(1, range(100, 116), { since: 0 })]
    expect(pickSlot(range(5000, 5100), [long, short], NOW)).toEqual(take(0, 0))
    const alike = [slot(0, range(0, 15), { since: 5 }), slot(1, range(100, 115), { since: 4 })]
    expect(pickSlot(range(5000, 5100), alike, NOW)).toEqual(take(1, 0))
    const hardly = slot(0, range(0, 15), { since: 9 })
    expect(pickSlot(range(5000, 5100), [slot(1, range(100, 116), { since: 0 }), hardly], 1e6)).toEqual(take(0, 0))
  })

  test("what came this very moment is missed by what it holds, not for ever", () => {
    const slots = [slot(0, range(0, 100), { since: NOW }), slot(1, range(200, 500), { since: NOW - 1 })]
    // 100 positions that came now, 300 over two moments.
    expect(pickSlot(range(5000, 5100), slots, NOW)).toEqual(take(0, 0))
    const used = [{ ...slots[0]!, numUses: 2 }, slots[1]!]
    expect(pickSlot(range(5000, 5100), used, NOW)).toEqual(take(1, 0))
  })

  test("of slots that are missed alike the one with more of the prompt goes, then the older, then the first", () => {
    const none = [slot(0, range(100, 110)), slot(1, range(0, 9)), slot(2, range(0, 5))]
    expect(pickSlot(range(0, 50), none, NOW)).toEqual(take(1, 9))
    expect(pickSlot(range(0, 50), [none[0]!, none[2]!, none[1]!], NOW)).toEqual(take(1, 9))
    const twins = [slot(0, [], { since: 3 }), slot(1, [], { since: 2 }), slot(2, [], { since: 2 })]
    expect(pickSlot(range(0, 50), twins, NOW)).toEqual(take(1, 0))
  })

  test("what two slots hold is copied from the one that was used more, else from the first", () => {
    const busy = [1, 3, 2].map((numUses, i) => slot(i, range(0, 100), { isBusy: true, numUses }))
    expect(pickSlot([...range(0, 100), 999], [...busy, slot(3, [])], NOW)).toEqual(take(3, 100, 1))
    const alike = busy.map((of) => ({ ...of, numUses: 1 }))
    expect(pickSlot([...range(0, 100), 999], [...alike, slot(3, [])], NOW)).toEqual(take(3, 100, 0))
  })
})

describe("sharedWithOthers", () => {
  test("finds what comparing every pair finds", () => {
    const ids = fc.array(fc.nat({ max: 1 }), { maxLength: 8 })
    fc.assert(
      fc.property(fc.array(fc.tuple(ids, fc.nat({ max: 8 })), { maxLength: 6 }), (all) => {
        const slots = all.map(([memory, held], i) => slot(i, memory, { numHeld: Math.min(held, memory.length) }))
        const held = slots.map(({ ids: memory, numHeld }) => memory.slice(0, numHeld))
        const common = (a: readonly number[], b: readonly number[]): number => {
          const differs = a.findIndex((id, i) => id !== b[i])
          return differs < 0 ? a.length : differs
        }
        const plain = held.map((own, i) =>
          held.reduce((most, other, j) => (i === j ? most : Math.max(most, common(own, other))), 0),
        )
        expect(sharedWithOthers(slots)).toEqual(plain)
      }),
      { numRuns: 300 },
    )
  })
})

describe("pickSlot: what is forgotten", () => {
  test("what nobody used goes before what was used often, however old that is", () => {
    const system = slot(0, range(0, 600), { numUses: 5, since: 0 })
    const others = [1, 2, 3].map((i) => slot(i, range(1000 * i, 1000 * i + 100), { since: 16 + i }))
    expect(pickSlot(range(5000, 5100), [system, ...others], NOW)).toEqual(take(1, 0))
  })

  test("of equals the oldest goes; what another slot holds as well is not missed", () => {
    const all = [slot(0, range(0, 100), { since: 9 }), slot(1, range(200, 300), { since: 3 })]
    expect(pickSlot(range(5000, 5100), all, NOW)).toEqual(take(1, 0))
    const copy = slot(2, [...range(0, 95), 7, 8, 9], { since: 19, numUses: 9 })
    expect(pickSlot(range(5000, 5100), [...all, copy], NOW)).toEqual(take(0, 0))
  })

  test("nothing is for ever: a memory that was used often goes when that is long ago", () => {
    const slots = [slot(0, range(0, 600), { numUses: 5, since: 0 }), slot(1, range(1000, 1100), { since: 99_990 })]
    expect(pickSlot(range(5000, 5100), slots, 100_000)).toEqual(take(0, 0))
  })
})

describe("pickSlot", () => {
  test("an empty prompt is refused", () => {
    expect(() => pickSlot([], [slot(0, [])], NOW)).toThrow("a prompt has at least one id")
  })

  test("with every slot busy there is none", () => {
    expect(pickSlot([1, 2], [slot(0, [], { isBusy: true })], NOW)).toBeUndefined()
  })

  test("what is reused is a true prefix, never the whole prompt, in an idle slot, and nothing much longer was there", () => {
    const ids = fc.array(fc.integer({ min: 0, max: 2 }), { maxLength: 60 })
    const longIds = fc
      .tuple(fc.nat({ max: 100 }), ids)
      .map(([length, own]) => [...Array.from({ length }, () => 1), ...own])
    fc.assert(
      fc.property(
        longIds.filter(({ length }) => length > 0),
        fc.array(fc.tuple(longIds, fc.boolean(), fc.nat({ max: 9 }), fc.integer({ min: 1, max: 4 })), { maxLength: 6 }),
        (prompt, all) => {
          const slots = all.map(([memory, isBusy, since, numUses], i) =>
            slot(i, memory, {
              isBusy,
              since,
              numUses,
              numHeld: Math.floor(memory.length * (since % 3 === 0 ? 1 : 0.7)),
            }),
          )
          const heldBy = ({ ids: memory, numHeld }: SlotMemory): number => {
            const differs = prompt.findIndex((id, i) => i >= numHeld || id !== memory[i])
            return Math.min(prompt.length - 1, differs < 0 ? prompt.length : differs)
          }
          const choice = pickSlot(prompt, slots, NOW)
          if (choice === undefined) return expect(slots.every(({ isBusy }) => isBusy)).toBe(true)
          if (choice.type === "wait") {
            expect(slots[choice.slotId]!.isBusy).toBe(true)
            expect(slots[choice.slotId]!.ids.slice(0, choice.numHeld)).toEqual(prompt.slice(0, choice.numHeld))
            return expect(choice.numHeld).toBeGreaterThan(slots[choice.slotId]!.numHeld)
          }
          const { slotId, numReused, copyFrom } = choice
          expect(slots[slotId]!.isBusy).toBe(false)
          expect(copyFrom).not.toBe(slotId)
          expect(numReused).toBeLessThan(prompt.length)
          expect(numReused).toBe(heldBy(slots[copyFrom ?? slotId]!))
          expect(numReused).toBeGreaterThan(Math.max(...slots.map(heldBy)) - 16)
        },
      ),
      { numRuns: 300 },
    )
  })
})
