import type { RoutedRequest } from "../RequestRouter.ts"
import { RouterError } from "../RouterError.ts"
import type { FeatureRow, Featurizer } from "./FeatureTable.ts"

/** Features of a text's form, whatever its words: how long it is, how many numbers and lines it has. */
export const NUM_FORMS = 3
const NUMBER = /\d+/g
const LINE = /\n/g

/**
 * Returns all of a request's features: grams `[0, F)`, forms `[F, F + 3)`, then its embedding, of length 1, where the router wants one.
 *
 * @throws RouterError where the embedding is missing or of another size
 */
export function requestFeatures(
  { text, embedding }: Pick<RoutedRequest, "text" | "embedding">,
  featurize: Featurizer,
  numGrams: number,
  embeddingSize: number,
): FeatureRow {
  if (embeddingSize > 0 && embedding?.length !== embeddingSize) {
    const found = embedding === undefined ? "none" : `one of ${embedding.length}`
    throw new RouterError(
      `expected an embedding of ${embeddingSize} values with the request, found ${found}: embed its text first`,
    )
  }
  const grams = featurize(text)
  const dense = [...formsOf(text), ...(embeddingSize > 0 ? unit(embedding!) : [])]
  const ids = new Int32Array(grams.ids.length + dense.length)
  const values = new Float32Array(ids.length)
  ids.set(grams.ids)
  values.set(grams.values)
  for (let i = 0; i < dense.length; i++) {
    ids[grams.ids.length + i] = numGrams + i
    values[grams.ids.length + i] = dense[i]!
  }
  return { ids, values }
}

function formsOf(text: string): readonly number[] {
  const count = (pattern: RegExp): number => text.match(pattern)?.length ?? 0
  // Logarithms, near 0 and a few wide for what people write: a text twice as long is one step further.
  return [(Math.log2(1 + text.length) - 7) / 2, (Math.log2(1 + count(NUMBER)) - 1) / 2, Math.log2(1 + count(LINE)) / 2]
}

function unit(values: Float32Array): Float32Array {
  const length = Math.hypot(...values)
  return length > 0 ? values.map((value) => value / length) : values
}
