import { describe, expect, test } from "bun:test"
import fc from "fast-check"
import { createStepPlan, planStep, type SequenceState, type StepBudget, type StepEntry } from "./index.ts"

const budgetArb = fc.record({ maxRows: fc.integer({ min: 8, max: 64 }), maxChunkRows: fc.integer({ min: 1, max: 32 }) })
const sequencesArb = fc
  .array(fc.tuple(fc.integer({ min: 1, max: 100 }), fc.nat({ max: 99 })), { maxLength: 8 })
  .map((all) =>
    all.map(([numKnown, computed]): SequenceState => ({ numKnown, numComputed: Math.min(computed, numKnown - 1) })),
  )

const numLeft = ({ numKnown, numComputed }: SequenceState): number => numKnown - numComputed

/** A plan's entries, through a plan that has been used before. */
function entriesOf(sequences: readonly SequenceState[], budget: StepBudget): StepEntry[] {
  const plan = createStepPlan(16)
  const earlier = Array.from({ length: 8 }, () => ({ numKnown: 9, numComputed: 0 }))
  planStep(plan, earlier, { maxRows: 60, maxChunkRows: 60 })
  planStep(plan, sequences, budget)
  const entries = plan.entries.slice(0, plan.numEntries)
  expect(plan.numRows).toBe(entries.reduce((sum, { numRows }) => sum + numRows, 0))
  expect(plan.numDecoding).toBe(sequences.filter((sequence) => numLeft(sequence) === 1).length)
  return entries
}

describe("planStep", () => {
  test("every decoding sequence has one row in each step, before all others", () => {
    fc.assert(
      fc.property(sequencesArb, budgetArb, (sequences, budget) => {
        const entries = entriesOf(sequences, budget)
        const decoding = sequences.flatMap((sequence, index) => (numLeft(sequence) === 1 ? [index] : []))
        expect(entries.slice(0, decoding.length)).toEqual(
          decoding.map((index) => ({
            index,
            firstPosition: sequences[index]!.numComputed,
            numRows: 1,
            isSampled: true,
          })),
        )
      }),
    )
  })

  test("rows stay within the budget, none is left while a prefill wants it, and no sequence appears twice", () => {
    fc.assert(
      fc.property(sequencesArb, budgetArb, (sequences, budget) => {
        const entries = entriesOf(sequences, budget)
        expect(new Set(entries.map(({ index }) => index)).size).toBe(entries.length)
        expect(entries.every(({ numRows }) => numRows > 0)).toBe(true)
        const numDecoding = entries.filter(({ index }) => numLeft(sequences[index]!) === 1).length
        const wanted = sequences.reduce((sum, sequence) => sum + (numLeft(sequence) > 1 ? numLeft(sequence) : 0), 0)
        const most = numDecoding === 0 ? budget.maxRows : Math.min(budget.maxChunkRows, budget.maxRows - numDecoding)
        const chunks = entries.slice(numDecoding)
        expect(chunks.reduce((sum, { numRows }) => sum + numRows, 0)).toBe(Math.min(wanted, most))
      }),
    )
  })

  test("the earliest prefill has half of the rows, or all that it needs", () => {
    fc.assert(
      fc.property(sequencesArb, budgetArb, (sequences, budget) => {
        const entries = entriesOf(sequences, budget)
        const earliest = sequences.findIndex((sequence) => numLeft(sequence) > 1)
        fc.pre(earliest >= 0)
        const chunks = entries.filter(({ index }) => numLeft(sequences[index]!) > 1)
        const all = chunks.reduce((sum, { numRows }) => sum + numRows, 0)
        expect(chunks[0]?.index).toBe(earliest)
        expect(chunks[0]!.numRows).toBeGreaterThanOrEqual(Math.min(numLeft(sequences[earliest]!), all / 2))
      }),
    )
  })

  test("short prompts pass a long one, the shortest first", () => {
    const prompts = [1000, 30, 10, 10].map((numKnown) => ({ numKnown, numComputed: 0 }))
    const rows = (maxRows: number) =>
      entriesOf(prompts, { maxRows, maxChunkRows: 8 }).map(({ index, numRows }) => [index, numRows])
    expect(rows(64)).toEqual([
      [0, 32],
      [2, 10],
      [3, 10],
      [1, 12],
    ])
    expect(rows(200)).toEqual([
      [0, 150],
      [2, 10],
      [3, 10],
      [1, 30],
    ])
  })

  test("repeated steps compute every position once, in order", () => {
    fc.assert(
      fc.property(sequencesArb, budgetArb, (sequences, budget) => {
        let states = sequences
        for (let step = 0; states.length > 0; step++) {
          expect(step).toBeLessThan(1000)
          const entries = entriesOf(states, budget)
          expect(entries.length).toBeGreaterThan(0)
          states = states
            .map((state, index) => {
              const entry = entries.find((other) => other.index === index)
              if (entry === undefined) return state
              expect(entry.firstPosition).toBe(state.numComputed)
              const numComputed = state.numComputed + entry.numRows
              expect(entry.isSampled).toBe(numComputed === state.numKnown)
              return { ...state, numComputed }
            })
            .filter((state) => numLeft(state) > 0)
        }
      }),
    )
  })

  test("alone, prefills may fill the whole step", () => {
    expect(entriesOf([{ numKnown: 100, numComputed: 0 }], { maxRows: 64, maxChunkRows: 8 })).toEqual([
      { index: 0, firstPosition: 0, numRows: 64, isSampled: false },
    ])
  })

  test("what would wait for ever is refused: more sequences than rows, one with nothing to compute, chunks of no rows", () => {
    const sequences = Array.from({ length: 3 }, (): SequenceState => ({ numKnown: 5, numComputed: 4 }))
    expect(() => entriesOf(sequences, { maxRows: 2, maxChunkRows: 2 })).toThrow("3 sequences exceed maxRows 2")
    const done = [sequences[0]!, { numKnown: 5, numComputed: 5 }]
    expect(() => entriesOf(done, { maxRows: 2, maxChunkRows: 2 })).toThrow("sequence 1 has nothing to compute: 5 of 5")
    expect(() => entriesOf(sequences, { maxRows: 8, maxChunkRows: 0 })).toThrow("maxChunkRows 0")
  })

  test("nothing to do is an empty step", () => {
    expect(entriesOf([], { maxRows: 8, maxChunkRows: 8 })).toEqual([])
  })
})
