import { createRandom } from "@consilium/tensor"

/** Shuffles in place, by Fisher and Yates. */
export function shuffle<T>(items: T[], random: () => number): T[] {
  for (let i = items.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1))
    ;[items[i], items[j]] = [items[j]!, items[i]!]
  }
  return items
}

/**
 * Splits examples in two, seeded, each stratum in the same proportion.
 *
 * A stratum of one goes to the rest: what is held out must also have been seen.
 *
 * @param share part that is held out, of each stratum, rounded
 */
export function splitExamples<T>(
  examples: readonly T[],
  stratumOf: (example: T) => string | number,
  share: number,
  seed: number,
): { readonly held: T[]; readonly rest: T[] } {
  const random = createRandom(seed)
  const strata = Map.groupBy(shuffle([...examples], random), stratumOf)
  const held: T[] = []
  const rest: T[] = []
  for (const stratum of strata.values()) {
    const numHeld = Math.min(stratum.length - 1, Math.round(stratum.length * share))
    held.push(...stratum.slice(0, numHeld))
    rest.push(...stratum.slice(numHeld))
  }
  return { held: shuffle(held, random), rest: shuffle(rest, random) }
}
