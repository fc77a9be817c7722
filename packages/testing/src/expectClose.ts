import { expect } from "bun:test"

/**
 * Fails unless every `actual[i]` is within `tolerance` of `expected[i]`, naming the first index that is not and the worst one.
 *
 * @param tolerance absolute; `relative` adds a share of `|expected[i]|`
 */
export function expectClose(
  actual: ArrayLike<number>,
  expected: ArrayLike<number>,
  tolerance: number,
  { relative = 0, name = "values" }: { relative?: number; name?: string } = {},
): void {
  expect(actual.length, `${name}: length`).toBe(expected.length)
  let first = -1
  let worst = -1
  let worstError = -1
  for (let i = 0; i < expected.length; i++) {
    const error = Math.abs(actual[i]! - expected[i]!)
    if (error <= tolerance + relative * Math.abs(expected[i]!)) continue
    if (first < 0) first = i
    if (!(error <= worstError)) {
      worst = i
      worstError = error
    }
  }
  if (first < 0) return
  throw new Error(
    `${name}: index ${first} is ${actual[first]}, expected ${expected[first]} (tolerance ${tolerance}); ` +
      `worst at ${worst}: ${actual[worst]}, expected ${expected[worst]}`,
  )
}

/** Returns the largest absolute difference, NaN if any. */
export function maxError(actual: ArrayLike<number>, expected: ArrayLike<number>): number {
  let worst = 0
  for (let i = 0; i < expected.length; i++) {
    const error = Math.abs(actual[i]! - expected[i]!)
    if (Number.isNaN(error)) return error
    worst = Math.max(worst, error)
  }
  return worst
}
