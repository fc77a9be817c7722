import { describe, expect, test } from "bun:test"
import fc from "fast-check"
import { pickSlot, type SlotMemory } from "./index.ts"

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
