/** Returns the share of two sets that is in both (Jaccard); 1 where both are empty. */
export function sharedPart(a: ReadonlySet<string>, b: ReadonlySet<string>): number {
  let numBoth = 0
  for (const term of a) if (b.has(term)) numBoth++
  const numAll = a.size + b.size - numBoth
  return numAll === 0 ? 1 : numBoth / numAll
}
