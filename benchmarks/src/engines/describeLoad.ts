/**
 * Says in words how a prompt's tokens spread over experts, from one row of counts a layer.
 *
 * The middle layer by how busy its busiest expert was: `busiest expert 1.6× the mean, 127 of 128 used (median layer)`.
 */
export function describeLoad(tokensPerExpert: readonly (readonly number[])[]): string | undefined {
  if (tokensPerExpert.length === 0) return undefined
  const layers = tokensPerExpert
    .map((counts) => {
      const mean = counts.reduce((sum, count) => sum + count, 0) / counts.length
      return { imbalance: Math.max(...counts) / mean, numUsed: counts.filter((count) => count > 0).length, counts }
    })
    .sort((a, b) => a.imbalance - b.imbalance)
  const { imbalance, numUsed, counts } = layers[layers.length >> 1]!
  return `busiest expert ${imbalance.toFixed(1)}× the mean, ${numUsed} of ${counts.length} used, in the median layer`
}
