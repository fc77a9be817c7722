import { GREEDY, type SamplingParams } from "@consilium/model"
import type { StepPlan } from "@consilium/scheduling"
import { expect, test } from "bun:test"
import type { Generate } from "../protocol.ts"
import { Sequence } from "./Sequence.ts"
import { createStepInput } from "./StepInput.ts"

/** One row of each of two sequences; the first is sampled. */
function planOfTwo(isSecondSampled: boolean): StepPlan {
  const entries = [true, isSecondSampled].map((isSampled, index) => ({
    index,
    numRows: 1,
    firstPosition: 0,
    isSampled,
  }))
  return { entries, numEntries: 2, numRows: 2, numDecoding: 0 } as StepPlan
}

/** Whether a step of two sequences, of which the second samples as given, can do with short lists. */
function wantsShortlists(own: Partial<Generate>, isSampled = true): boolean | undefined {
  const sequences = [{}, own].map((fields, slotId) => {
    const sequence = new Sequence(
      { requestId: "a", ids: [1], sampling: GREEDY, resumeFrom: 1, ...fields } as Generate,
      0,
    )
    return Object.assign(sequence, { slotId })
  })
  return createStepInput({ numSlots: 2, maxRows: 2 }).fill(planOfTwo(isSampled), sequences).wantsShortlists
}

test("createStepInput: short lists do where each token that is sampled needs no more: else nobody has one", () => {
  const sampling = (own: Partial<SamplingParams>): Partial<Generate> => ({ sampling: { ...GREEDY, ...own } })
  expect(wantsShortlists({})).toBe(true)
  expect(wantsShortlists(sampling({ temperature: 1, topK: 20 }))).toBe(true)
  expect(wantsShortlists(sampling({ temperature: 1 }))).toBe(false)
  expect(wantsShortlists(sampling({ presencePenalty: 1 }))).toBe(false)
  expect(wantsShortlists({ numTopLogProbs: 0 })).toBe(false)
  expect(wantsShortlists({ numTopLogProbs: 3 }, false)).toBe(true)
})
