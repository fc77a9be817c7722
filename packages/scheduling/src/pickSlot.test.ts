import { describe, expect, test } from "bun:test"
import fc from "fast-check"
import { pickSlot, type SlotMemory } from "./index.ts"

const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i)
const slot = (slotId: number, ids: number[], { isBusy = false, lastUsed = slotId } = {}): SlotMemory => ({
  slotId,
  ids,
  isBusy,
  lastUsed,
})

describe("pickSlot", () => {
  test("a conversation goes on in the slot that remembers it", () => {
    const slots = [slot(0, range(500, 540)), slot(1, range(0, 40))]
    expect(pickSlot(range(0, 60), slots)).toEqual({ slotId: 1, numReused: 40, copyFrom: undefined })
  })

  test("the last id is always computed", () => {
    expect(pickSlot(range(0, 40), [slot(0, range(0, 40))])).toEqual({ slotId: 0, numReused: 39, copyFrom: undefined })
  })

  test("a busy slot's prefix is copied into the slot used longest ago", () => {
    const slots = [slot(0, range(0, 80), { isBusy: true }), slot(1, [], { lastUsed: 9 }), slot(2, [7], { lastUsed: 3 })]
    expect(pickSlot([...range(0, 50), 999], slots)).toEqual({ slotId: 2, numReused: 50, copyFrom: 0 })
  })

  test("a long memory is not given up for a short prefix", () => {
    const slots = [slot(0, range(0, 1000), { lastUsed: 9 }), slot(1, [], { lastUsed: 1 })]
    expect(pickSlot([...range(0, 30), 5000], slots)).toEqual({ slotId: 1, numReused: 30, copyFrom: 0 })
    expect(pickSlot([0, 1, 5000], slots)).toEqual({ slotId: 1, numReused: 0, copyFrom: undefined })
  })

  test("an empty prompt is refused", () => {
    expect(() => pickSlot([], [slot(0, [])])).toThrow("a prompt has at least one id")
  })

  test("with every slot busy there is none", () => {
    expect(pickSlot([1, 2], [slot(0, [], { isBusy: true })])).toBeUndefined()
  })

  test("what is reused is a true prefix, never the whole prompt, in an idle slot", () => {
    const ids = fc.array(fc.integer({ min: 0, max: 2 }), { maxLength: 60 })
    fc.assert(
      fc.property(
        ids.filter(({ length }) => length > 0),
        fc.array(fc.tuple(ids, fc.boolean(), fc.nat({ max: 9 })), { maxLength: 6 }),
        (prompt, all) => {
          const slots = all.map(([memory, isBusy, lastUsed], i) => slot(i, memory, { isBusy, lastUsed }))
          const choice = pickSlot(prompt, slots)
          if (choice === undefined) return expect(slots.every(({ isBusy }) => isBusy)).toBe(true)
          const { slotId, numReused, copyFrom } = choice
          expect(slots[slotId]!.isBusy).toBe(false)
          expect(copyFrom).not.toBe(slotId)
          expect(numReused).toBeLessThan(prompt.length)
          expect(slots[copyFrom ?? slotId]!.ids.slice(0, numReused)).toEqual(prompt.slice(0, numReused))
        },
      ),
    )
  })
})
