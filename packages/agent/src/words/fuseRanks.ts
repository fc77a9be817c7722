/** Of Cormack et al.: how little the first places differ. */
const SOFTNESS = 60

/**
 * Fuses rankings of ids, best first, by the sum of `1 / (60 + rank)`: where they agree counts, not how they score.
 *
 * @returns a score for each id that stands in any
 * @see Cormack, Clarke, Büttcher: Reciprocal Rank Fusion, SIGIR 2009
 */
export function fuseRanks(rankings: readonly (readonly number[])[]): Map<number, number> {
  const scores = new Map<number, number>()
  for (const ranking of rankings)
    for (const [place, id] of ranking.entries()) scores.set(id, (scores.get(id) ?? 0) + 1 / (SOFTNESS + place + 1))
  return scores
}
