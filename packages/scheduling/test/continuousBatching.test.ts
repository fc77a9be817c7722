/** `planStep` and `pickSlot` together, driven as an engine drives them, with slots that hold the very ids they were given. */
import { expect, test } from "bun:test"
import fc from "fast-check"
import { createStepPlan, pickSlot, planStep, type StepEntry } from "../src/index.ts"

interface Request {
  readonly arrivesAt: number
  readonly prompt: readonly number[]
  readonly numGenerated: number
}

interface Sequence {
  readonly slotId: number
  readonly ids: number[]
  readonly finalLength: number
  numComputed: number
  readonly numKnown: number
}

interface Workload {
  readonly numSlots: number
  /** Rows of a step beyond one per slot. */
  readonly spareRows: number
  readonly maxChunkRows: number
  readonly requests: readonly Request[]
}

/** Ids of few kinds, so that prompts share prefixes, some past the length that is worth copying, some past what is worth waiting for. */
const promptArb = fc
  .tuple(
    fc.integer({ min: 0, max: 2 }),
    fc.nat({ max: 120 }),
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

const sequenceOf = (
  slotId: number,
  prompt: readonly number[],
  numGenerated: number,
  numComputed: number,
): Sequence => ({
  slotId,
  ids: [...prompt],
  finalLength: prompt.length + numGenerated,
  numComputed,
  get numKnown() {
    return this.ids.length
  },
})

/** Runs a workload to its end, checking each step; returns the steps and the rows that they computed. */
function simulate({ numSlots, spareRows, maxChunkRows, requests }: Workload): {
  steps: StepEntry[][]
  numRows: number
} {
  const maxRows = numSlots + spareRows
  const waiting = requests.toSorted((a, b) => a.arrivesAt - b.arrivesAt)
  const slots = Array.from({ length: numSlots }, (_, slotId) => ({ slotId, ids: [] as number[], since: 0 }))
  const plan = createStepPlan(numSlots)
  let running: Sequence[] = []
  const steps: StepEntry[][] = []
  let numRows = 0
  let numAdmitted = 0
  /** What the first of those that wait is waiting for. */
  let awaited: { readonly user: Sequence; readonly numHeld: number } | undefined

  const admit = (step: number): void => {
    while (waiting[0] !== undefined && waiting[0].arrivesAt <= step) {
      if (awaited !== undefined && running.includes(awaited.user) && awaited.user.numComputed < awaited.numHeld) return
      awaited = undefined
      const { prompt, numGenerated } = waiting[0]
      const memories = slots.map((slot) => {
        const user = running.find(({ slotId }) => slotId === slot.slotId)
        return {
          ...slot,
          ids: user?.ids ?? slot.ids,
          numHeld: slot.ids.length,
          isBusy: user !== undefined,
          numUses: 1,
        }
      })
      const choice = pickSlot(prompt, memories, numAdmitted)
      expect(choice === undefined).toBe(running.length === numSlots)
      if (choice === undefined) return
      if (choice.type === "wait") {
        const user = running.find(({ slotId }) => slotId === choice.slotId)!
        awaited = { user, numHeld: choice.numHeld }
        return expect(choice.numHeld).toBeGreaterThan(user.numComputed)
      }
      waiting.shift()
      const { slotId, numReused, copyFrom = slotId } = choice
      expect(memories[slotId]!.isBusy).toBe(false)
      // The state that is kept must be that of the prompt's own beginning.
      slots[slotId]!.ids = slots[copyFrom]!.ids.slice(0, numReused)
      slots[slotId]!.since = numAdmitted++
      expect(slots[slotId]!.ids).toEqual(prompt.slice(0, numReused))
      running.push(sequenceOf(slotId, prompt, numGenerated, numReused))
    }
  }

  for (let step = 0; waiting.length > 0 || running.length > 0; step++) {
    expect(step).toBeLessThan(3000)
    admit(step)
    planStep(plan, running, { maxRows, maxChunkRows })
    const entries = plan.entries.slice(0, plan.numEntries).map((entry) => ({ ...entry }))
    expect(plan.numRows).toBeLessThanOrEqual(maxRows)
    expect(plan.numRows).toBe(entries.reduce((sum, entry) => sum + entry.numRows, 0))
    const decoding = running.flatMap(({ ids, numComputed }, i) => (ids.length - numComputed === 1 ? [i] : []))
    expect(entries.slice(0, plan.numDecoding).map(({ index }) => index)).toEqual(decoding)
    if (running.length > 0) expect(plan.numRows).toBeGreaterThan(0)

    steps.push(entries)
    for (const { index, firstPosition, numRows: rows, isSampled } of entries) {
      const sequence = running[index]!
      expect(firstPosition).toBe(sequence.numComputed)
      const slot = slots[sequence.slotId]!
      slot.ids = [...slot.ids.slice(0, firstPosition), ...sequence.ids.slice(firstPosition, firstPosition + rows)]
      sequence.numComputed += rows
      numRows += rows
      expect(slot.ids).toEqual(sequence.ids.slice(0, sequence.numComputed))
      expect(isSampled).toBe(sequence.numComputed === sequence.ids.length)
      if (isSampled) sequence.ids.push((sequence.ids.length * 7 + index) % 3)
    }
    running = running.filter(({ ids, finalLength }) => ids.length < finalLength)
  }
  expect(numAdmitted).toBe(requests.length)
  return { steps, numRows }
}

test("every request ends; each step is within bounds, decodes everyone, and computes something", () => {
  fc.assert(fc.property(workloadArb, (workload) => void simulate(workload)))
})

test("the same requests give the same steps", () => {
  fc.assert(
    fc.property(workloadArb, (workload) => expect(simulate(workload)).toEqual(simulate(workload))),
    { numRuns: 30 },
  )
})

const system = (length: number): number[] => Array.from({ length }, () => 1)
const budget = { numSlots: 4, spareRows: 60, maxChunkRows: 32 }

test("prompts that share a beginning are computed once: the second conversation costs its own words only", () => {
  const first = { arrivesAt: 0, prompt: [...system(40), 2, 2], numGenerated: 3 }
  const second = { arrivesAt: 1, prompt: [...system(40), 0, 0], numGenerated: 3 }
  const alone = simulate({ ...budget, requests: [first] }).numRows
  expect(alone).toBe(42 + 2)
  expect(simulate({ ...budget, requests: [first, second] }).numRows).toBe(alone + 2 + 2)
})

test("that holds for prompts that come at the same moment, too, where the beginning is long", () => {
  const requests = [0, 2, 3, 4].map((own) => ({ arrivesAt: 0, prompt: [...system(200), own, own], numGenerated: 3 }))
  expect(simulate({ ...budget, requests }).numRows).toBe(200 + 4 * (2 + 2))
})
