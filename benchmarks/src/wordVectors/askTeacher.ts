import { type ForeignModel, tensorOf } from "@consilium/onnx"

const MOST_TEXTS = 32

/**
 * Returns a sentence encoder's vectors `[texts, D]`, one after the other: of length 1, less the mean of all.
 *
 * Texts of the same length are asked together, so that none is padded.
 */
export function askTeacher(teacher: ForeignModel, texts: readonly (readonly number[])[]): Float32Array {
  const order = [...texts.keys()].sort((a, b) => texts[a]!.length - texts[b]!.length)
  let vectors = new Float32Array()
  for (let i = 0; i < order.length;) {
    const numTokens = texts[order[i]!]!.length
    const batch = order.slice(i, i + MOST_TEXTS).filter((text) => texts[text]!.length === numTokens)
    const means = runBatch(
      teacher,
      batch.map((text) => texts[text]!),
    )
    const size = means.length / batch.length
    if (i === 0) vectors = new Float32Array(texts.length * size)
    for (const [row, text] of batch.entries())
      vectors.set(unit(means.subarray(row * size, (row + 1) * size)), text * size)
    i += batch.length
  }
  centre(vectors, vectors.length / texts.length)
  return vectors
}

/** Returns the means of the tokens' rows. */
function runBatch(teacher: ForeignModel, texts: readonly (readonly number[])[]): Float32Array {
  const numTokens = texts[0]!.length
  const input = (value: (id: number) => number) =>
    tensorOf(
      BigInt64Array.from(texts.flat(), (id) => BigInt(value(id))),
      [texts.length, numTokens],
    )
  const feeds = { input_ids: input((id) => id), attention_mask: input(() => 1), token_type_ids: input(() => 0) }
  const output = teacher.outputs[0]!.name
  const { data, dims } = teacher.run(feeds, { [output]: null })[output]!
  const size = dims[2]!
  const means = new Float32Array(texts.length * size)
  for (const [i, value] of (data as Float32Array).entries())
    means[Math.floor(i / (numTokens * size)) * size + (i % size)]! += value / numTokens
  return means
}

function unit(vector: Float32Array): Float32Array {
  const norm = Math.hypot(...vector)
  return vector.map((value) => value / norm)
}

function centre(vectors: Float32Array, size: number): void {
  const mean = new Float64Array(size)
  for (let i = 0; i < vectors.length; i++) mean[i % size]! += (vectors[i]! * size) / vectors.length
  for (let i = 0; i < vectors.length; i++) vectors[i]! -= mean[i % size]!
}
