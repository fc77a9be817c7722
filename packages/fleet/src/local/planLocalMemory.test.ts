import { describe, expect, test } from "bun:test"
import fc from "fast-check"
import { type LocalMemory, planLocalMemory } from "./planLocalMemory.ts"

const model = (name: string, bytes: number, change: Partial<LocalMemory> = {}): LocalMemory => ({
  name,
  bytes,
  isAwake: true,
  numAnswering: 0,
  usedMs: 0,
  ...change,
})
const wanted = model("w", 4, { isAwake: false })

describe("planLocalMemory", () => {
  test("nobody sleeps where there is room, or where it is awake already", () => {
    expect(planLocalMemory([wanted, model("a", 6)], "w", 10)).toEqual({ kind: "room", sleep: [] })
    expect(planLocalMemory([model("a", 99)], "a", 10)).toEqual({ kind: "room", sleep: [] })
  })

  test("the least recently used sleep, no more of them than needed", () => {
    const models = [wanted, model("new", 3, { usedMs: 9 }), model("old", 3, { usedMs: 1 }), model("older", 1)]
    expect(planLocalMemory(models, "w", 10)).toEqual({ kind: "room", sleep: ["older"] })
    // The older one frees too little, the next one enough alone.
    expect(planLocalMemory(models, "w", 8)).toEqual({ kind: "room", sleep: ["old"] })
  })

  test("who answers is waited for", () => {
    const models = [wanted, model("a", 6, { numAnswering: 1 }), model("b", 2)]
    expect(planLocalMemory(models, "w", 9)).toEqual({ kind: "wait" })
    expect(planLocalMemory(models, "w", 10)).toEqual({ kind: "room", sleep: ["b"] })
  })

  test("what can never fit is too large", () => {
    expect(planLocalMemory([wanted], "w", 3)).toEqual({ kind: "too-large" })
  })

  test("whatever is awake: a plan with room keeps the memory, and puts nobody to sleep who answers", () => {
    const arb = fc.record({
      bytes: fc.integer({ min: 1, max: 9 }),
      isAwake: fc.boolean(),
      numAnswering: fc.nat(1),
      usedMs: fc.nat(9),
    })
    fc.assert(
      fc.property(fc.array(arb, { maxLength: 6 }), fc.integer({ min: 4, max: 30 }), (others, memoryBytes) => {
        const models = [wanted, ...others.map((other, i) => ({ ...other, name: `m${i}` }))]
        const plan = planLocalMemory(models, "w", memoryBytes)
        if (plan.kind !== "room") return
        const left = models.filter(({ isAwake, name }) => isAwake && !plan.sleep.includes(name))
        const bytes = left.reduce((sum, other) => sum + other.bytes, wanted.bytes)
        if (plan.sleep.length > 0) expect(bytes).toBeLessThanOrEqual(memoryBytes)
        for (const name of plan.sleep) {
          const { numAnswering, isAwake } = models.find((other) => other.name === name)!
          expect([numAnswering, isAwake]).toEqual([0, true])
          // Without it there would be no room.
          expect(bytes + models.find((other) => other.name === name)!.bytes).toBeGreaterThan(memoryBytes)
        }
      }),
    )
  })
})
