/** `planStep` and `pickSlot` together, driven as an engine drives them, with slots that hold the very ids they were given. */
import { expect, test } from "bun:test"
import fc from "fast-check"
import { pickSlot, planStep, type StepPlan } from "../src/index.ts"

interface Request {
  readonly arrivesAt: number
  readonly prompt: readonly number[]
  readonly numGenerated: number
}

interface Sequence {
  readonly sequenceId: number
  readonly slotId: number
  readonly ids: number[]
  readonly finalLength: number
  numComputed: number
}

interface Workload {
  readonly numSlots: number
  /** Rows of a step beyond one per slot. */
  readonly spareRows: number
  readonly maxChunkRows: number
  readonly requests: readonly Request[]
}

/** Ids of few kinds, so that prompts share prefixes, some past the length that is worth copying. */
const promptArb = fc
  .tuple(
    fc.integer({ min: 0, max: 2 }),
    fc.nat({ max: 40 }),
    fc.array(fc.nat({ max: 2 }), { minLength: 1, maxLength: 8 }),
  )
  .map(([system, length, own]) => [...Array.from({ length }, () => system), ...own])

const workloadArb: fc.Arbitrary<Workload> = fc.record({
  numSlots: fc.integer({ min: 1, max: 4 }),
  spareRows: fc.nat({ max: 12 }),
  maxChunkRows: fc.integer({ min: 1, max: 16 }),
  requests: fc.array(
    fc.record({ arrivesAt: fc.nat({ max: 30 }), prompt: promptArb, numGenerated: fc.integer({ min: 1, max: 6 }) }),
    { minLength: 1, maxLength: 10 },
  ),
})
/** Runs a workload to its end, checking each step; returns the steps and the rows that they computed. */
function simulate({ numSlots, spareRows, maxChunkRows, requests }: Workload): { plans: StepPlan[]; numRows: number } {
  const maxRows = numSlots + spareRows
  const waiting = requests.toSorted((a, b) => a.arrivesAt - b.arrivesAt)
  const slots = Array.from({ length: numSlots }, (_, slotId) => ({ slotId, ids: [] as number[], lastUsed: 0 }))
  let running: Sequence[] = []
  const plans: StepPlan[] = []
  let numRows = 0
  let nextId = 0

  const admit = (step: number): void => {
    while (waiting[0] !== undefined && waiting[0].arrivesAt <= step) {
      const { prompt, numGenerated } = waiting[0]
      const memories = slots.map((slot) => ({ ...slot, isBusy: running.some(({ slotId }) => slotId === slot.slotId) }))
      const choice = pickSlot(prompt, memories)
      expect(choice === undefined).toBe(running.length === numSlots)
      if (choice === undefined) return
      waiting.shift()
      const { slotId, numReused, copyFrom = slotId } = choice
      expect(memories[slotId]!.isBusy).toBe(false)
      // The state that is kept must be that of the prompt's own beginning.
      slots[slotId]!.ids = slots[copyFrom]!.ids.slice(0, numReused)
      expect(slots[slotId]!.ids).toEqual(prompt.slice(0, numReused))
      const finalLength = prompt.length + numGenerated
      running.push({ sequenceId: nextId++, slotId, ids: [...prompt], finalLength, numComputed: numReused })
    }
  }

  const check = ({ entries, numRows: planned }: StepPlan): void => {
    expect(planned).toBeLessThanOrEqual(maxRows)
    expect(planned).toBe(entries.reduce((sum, entry) => sum + entry.numRows, 0))
    expect(new Set(entries.map(({ slotId }) => slotId)).size).toBe(entries.length)
    const decoding = running.filter(({ ids, numComputed }) => ids.length - numComputed === 1)
    expect(entries.slice(0, decoding.length).map(({ sequenceId }) => sequenceId)).toEqual(
      decoding.map(({ sequenceId }) => sequenceId),
    )
    const prefills = running.filter((sequence) => !decoding.includes(sequence))
    expect(entries.slice(decoding.length).map(({ sequenceId }) => sequenceId)).toEqual(
      prefills.slice(0, 1).map(({ sequenceId }) => sequenceId),
    )
  }

  for (let step = 0; waiting.length > 0 || running.length > 0; step++) {
    expect(step).toBeLessThan(2000)
    admit(step)
    const states = running.map(({ sequenceId, slotId, ids, numComputed }) => ({
      sequenceId,
      slotId,
      numKnown: ids.length,
      numComputed,
    }))
    const plan = planStep(states, { maxRows, maxChunkRows })
    check(plan)
    plans.push(plan)
    for (const { sequenceId, slotId, firstPosition, numRows: rows, isSampled } of plan.entries) {
      const sequence = running.find((other) => other.sequenceId === sequenceId)!
      expect([slotId, firstPosition]).toEqual([sequence.slotId, sequence.numComputed])
      const slot = slots[slotId]!
      slot.ids = [...slot.ids.slice(0, firstPosition), ...sequence.ids.slice(firstPosition, firstPosition + rows)]
      slot.lastUsed = step
      sequence.numComputed += rows
      numRows += rows
      expect(slot.ids).toEqual(sequence.ids.slice(0, sequence.numComputed))
      expect(isSampled).toBe(sequence.numComputed === sequence.ids.length)
      if (!isSampled) continue
      sequence.ids.push((sequence.ids.length * 7 + sequenceId) % 3)
    }
    running = running.filter(({ ids, finalLength }) => ids.length < finalLength)
  }
  expect(nextId).toBe(requests.length)
  return { plans, numRows }
}

test("every request ends; each step is within bounds, decodes everyone, and chunks the earliest prefill", () => {
  fc.assert(fc.property(workloadArb, (workload) => void simulate(workload)))
})

test("the same requests give the same steps", () => {
  fc.assert(
    fc.property(workloadArb, (workload) => expect(simulate(workload)).toEqual(simulate(workload))),
    { numRuns: 30 },
  )
})

test("prompts that share a beginning are computed once: the second conversation costs its own words only", () => {
  const system = Array.from({ length: 40 }, () => 1)
  const request = (arrivesAt: number, own: number[]): Request => ({
    arrivesAt,
    prompt: [...system, ...own],
    numGenerated: 3,
  })
  const budget = { numSlots: 2, spareRows: 62, maxChunkRows: 32 }
  const first = request(0, [2, 2])
  const second = request(1, [0, 0])
  const alone = simulate({ ...budget, requests: [first] }).numRows
  expect(alone).toBe(42 + 2)
  expect(simulate({ ...budget, requests: [first, second] }).numRows).toBe(alone + 2 + 2)
})
