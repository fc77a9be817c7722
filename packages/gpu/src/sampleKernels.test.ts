import { expect, test } from "bun:test"
import { sampleKernels } from "./sampleKernels.ts"

/** Samples kernels of `msOf` milliseconds each; returns the repeats of every submission too. */
function sample(msOf: number): { readonly samples: readonly number[]; readonly repeats: readonly number[] } {
  let total = 1000
  const repeats: number[] = []
  const samples = sampleKernels(
    () => total,
    (numRepeats) => {
      repeats.push(numRepeats)
      total += numRepeats * msOf
    },
  )
  return { samples, repeats }
}

test("sampleKernels: a sample is one repeat's time, of as many in a submission as fill it", () => {
  const { samples, repeats } = sample(2)
  expect(samples).toEqual(Array.from({ length: 8 }, () => 2))
  expect(repeats).toEqual([1, 4, 4, ...Array.from({ length: 8 }, () => 10)])
})

test("sampleKernels: long kernels run once a sample, short ones no more often than a submission holds", () => {
  expect(sample(500).repeats.at(-1)).toBe(1)
  expect(sample(2 ** -10).repeats.at(-1)).toBe(128)
})
