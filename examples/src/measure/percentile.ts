/** Returns the smallest sample that `share` of them do not exceed. @throws Error on none */
export function percentile(samples: readonly number[], share: number): number {
  const sorted = samples.toSorted((a, b) => a - b)
  const found = sorted[Math.max(0, Math.ceil(share * sorted.length) - 1)]
  if (found === undefined) throw new Error("percentile: expected samples, found none")
  return found
}
