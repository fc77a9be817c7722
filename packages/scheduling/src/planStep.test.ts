import { describe, expect, test } from "bun:test"
import fc from "fast-check"
import { planStep, type SequenceState } from "./index.ts"

const budgetArb = fc.record({ maxRows: fc.integer({ min: 8, max: 64 }), maxChunkRows: fc.integer({ min: 1, max: 32 }) })
const sequencesArb = fc
  .array(fc.tuple(fc.integer({ min: 1, max: 100 }), fc.nat({ max: 99 })), { maxLength: 8 })
  .map((all) =>
    all.map(([numKnown, computed], i): SequenceState => ({
      sequenceId: i,
      slotId: i,
      numKnown,
      numComputed: computed % numKnown,
    })),
  )

describe("planStep", () => {
  test("every decoding sequence has one row in each step", () => {
    fc.assert(
      fc.property(sequencesArb, budgetArb, (sequences, budget) => {
        const { entries } = planStep(sequences, budget)
        for (const { sequenceId, numKnown, numComputed } of sequences) {
          if (numKnown - numComputed !== 1) continue
          expect(entries.filter((entry) => entry.sequenceId === sequenceId)).toEqual([
            { sequenceId, slotId: sequenceId, firstPosition: numComputed, numRows: 1, isSampled: true },
          ])
        }
      }),
    )
  })

  test("rows stay within the budget, no slot appears twice, and at most one chunk runs", () => {
    fc.assert(
      fc.property(sequencesArb, budgetArb, (sequences, budget) => {
        const { entries, numRows } = planStep(sequences, budget)
        expect(numRows).toBe(entries.reduce((sum, entry) => sum + entry.numRows, 0))
        expect(numRows).toBeLessThanOrEqual(budget.maxRows)
        expect(new Set(entries.map(({ slotId }) => slotId)).size).toBe(entries.length)
        const chunks = entries.filter((entry) => !entry.isSampled || entry.numRows > 1)
        expect(chunks.length).toBeLessThanOrEqual(1)
        if (entries.length > 1 && chunks[0] !== undefined)
          expect(chunks[0].numRows).toBeLessThanOrEqual(budget.maxChunkRows)
      }),
    )
  })

  test("repeated steps compute every position once, in order, and prefills in order of arrival", () => {
    fc.assert(
      fc.property(sequencesArb, budgetArb, (sequences, budget) => {
        let states = sequences
        const finished: number[] = []
        for (let step = 0; states.length > 0; step++) {
          expect(step).toBeLessThan(1000)
          const { entries } = planStep(states, budget)
          expect(entries.length).toBeGreaterThan(0)
          const next = states.map((state) => {
            const entry = entries.find(({ sequenceId }) => sequenceId === state.sequenceId)
            if (entry === undefined) return state
            expect(entry.firstPosition).toBe(state.numComputed)
            return { ...state, numComputed: state.numComputed + entry.numRows }
          })
          for (const { sequenceId, numKnown, numComputed } of next)
            if (numComputed === numKnown) finished.push(sequenceId)
          states = next.filter(({ numKnown, numComputed }) => numComputed < numKnown)
        }
        const prefills = sequences
          .filter(({ numKnown, numComputed }) => numKnown - numComputed > 1)
          .map(({ sequenceId }) => sequenceId)
        expect(finished.filter((id) => prefills.includes(id))).toEqual(prefills)
      }),
    )
  })

  test("alone, a prefill may fill the whole step", () => {
    const { entries } = planStep([{ sequenceId: 1, slotId: 0, numKnown: 100, numComputed: 0 }], {
      maxRows: 64,
      maxChunkRows: 8,
    })
    expect(entries).toEqual([{ sequenceId: 1, slotId: 0, firstPosition: 0, numRows: 64, isSampled: false }])
  })

  test("what would wait for ever is refused: more sequences than rows, one with nothing to compute, chunks of no rows", () => {
    const sequence = (sequenceId: number): SequenceState => ({
      sequenceId,
      slotId: sequenceId,
      numKnown: 5,
      numComputed: 4,
    })
    const sequences = [sequence(0), sequence(1), sequence(2)]
    expect(() => planStep(sequences, { maxRows: 2, maxChunkRows: 2 })).toThrow("3 sequences exceed maxRows 2")
    const done = { ...sequence(7), numComputed: 5 }
    expect(() => planStep([done], { maxRows: 2, maxChunkRows: 2 })).toThrow("sequence 7 has nothing to compute: 5 of 5")
    expect(() => planStep(sequences, { maxRows: 8, maxChunkRows: 0 })).toThrow("maxChunkRows 0")
  })

  test("nothing to do is an empty step", () => {
    expect(planStep([], { maxRows: 8, maxChunkRows: 8 })).toEqual({ entries: [], numRows: 0 })
  })
})
