import { hashGrams } from "./hashGrams.ts"

/** The grams that a router knows, and what each is worth. */
export interface FeatureTable {
  readonly seed: number
  /** `[F]` hashes, ascending: a feature's id is its place. */
  readonly hashes: Uint32Array
  /** `[F]`: the rarer among the examples, the more. */
  readonly idf: Float32Array
}

/** A request's features that are not zero. */
export interface FeatureRow {
  readonly ids: Int32Array
  readonly values: Float32Array
}

/** Most features: bounds a router's file. The commonest stay. */
const MOST_FEATURES = 100_000
/** From so many texts on, what only one of them has tells nothing. */
const MANY_TEXTS = 1000

/** Chooses the grams of some texts that a router learns from. Deterministic. */
export function fitFeatures(texts: readonly string[], seed: number): FeatureTable {
  const counts = new Map<number, number>()
  for (const text of texts) {
    const { words, characters } = hashGrams(text, seed)
    for (const hash of new Set([...words, ...characters])) counts.set(hash, (counts.get(hash) ?? 0) + 1)
  }
  const least = texts.length >= MANY_TEXTS ? 2 : 1
  const kept = [...counts]
    .filter(([, count]) => count >= least)
    .sort(([a, countA], [b, countB]) => countB - countA || a - b)
    .slice(0, MOST_FEATURES)
    .sort(([a], [b]) => a - b)
  return {
    seed,
    hashes: Uint32Array.from(kept, ([hash]) => hash),
    idf: Float32Array.from(kept, ([, count]) => Math.log((1 + texts.length) / (1 + count)) + 1),
  }
}

/** Turns texts into features. */
export type Featurizer = (text: string) => FeatureRow

/**
 * Returns what turns a text into its tf-idf features, of length 1 all together: words and runs of characters count the same.
 *
 * A text of which nothing is known has none.
 */
export function createFeaturizer({ seed, hashes, idf }: FeatureTable): Featurizer {
  const places = new Map<number, number>()
  for (let id = 0; id < hashes.length; id++) places.set(hashes[id]!, id)
  return (text) => {
    const { words, characters } = hashGrams(text, seed)
    const blocks = [words, characters].map((grams) => weighGrams(grams, places, idf)).filter(({ size }) => size > 0)
    const ids = new Int32Array(blocks.reduce((sum, { size }) => sum + size, 0))
    const values = new Float32Array(ids.length)
    let n = 0
    for (const block of blocks) {
      let squares = 0
      for (const value of block.values()) squares += value * value
      const factor = 1 / Math.sqrt(squares * blocks.length)
      for (const [id, value] of block) {
        ids[n] = id
        values[n++] = value * factor
      }
    }
    return { ids, values }
  }
}

/** Sums up known grams: `(1 + ln tf) · idf`. */
function weighGrams(
  grams: readonly number[],
  places: ReadonlyMap<number, number>,
  idf: Float32Array,
): Map<number, number> {
  const weights = new Map<number, number>()
  for (const hash of grams) {
    const id = places.get(hash)
    if (id !== undefined) weights.set(id, (weights.get(id) ?? 0) + 1)
  }
  for (const [id, count] of weights) weights.set(id, (1 + Math.log(count)) * idf[id]!)
  return weights
}
