import { shuffle } from "../shuffle.ts"

const LEARNING_RATE = 0.03
/** Held-out texts get no nearer after the second. */
const NUM_EPOCHS = 2
/** Keeps a first step, or one of a sum that is nearly 0, from being huge. */
const SMALLEST_SQUARES = 1e-3
const SHORTEST_SUM = 0.3

/** Texts as rows of words, and where a teacher puts each. */
export interface Lessons {
  readonly texts: readonly (readonly number[])[]
  /** `[texts, D]` */
  readonly targets: Float32Array
}

/**
 * Moves words' vectors, in place, so that the sum of a text's words points where the teacher puts the text: gradient descent on the cosine, text by text,
 * each word at a pace of its own (Adagrad, by row). Words that no text has stay.
 *
 * @param vectors `[words, size]`
 */
export function fitWordVectors(
  vectors: Float32Array,
  size: number,
  { texts, targets }: Lessons,
  random: () => number,
): void {
  const squares = new Float64Array(vectors.length / size)
  const order = [...texts.keys()]
  for (let epoch = 0; epoch < NUM_EPOCHS; epoch++) {
    shuffle(order, random)
    for (const [done, text] of order.entries()) {
      const rate = LEARNING_RATE * (1 - (epoch + done / order.length) / NUM_EPOCHS)
      const gradient = gradientOf(sumOf(vectors, size, texts[text]!), targets.subarray(text * size, (text + 1) * size))
      if (gradient === undefined) continue
      const meanSquare = gradient.reduce((sum, value) => sum + value * value, 0) / size
      for (const word of texts[text]!) {
        squares[word]! += meanSquare
        const step = rate / Math.sqrt(squares[word]! + SMALLEST_SQUARES)
        for (let i = 0; i < size; i++) vectors[word * size + i]! -= step * gradient[i]!
      }
    }
  }
}

/** Returns the mean cosine between texts' sums and where the teacher puts them. */
export function nearness(vectors: Float32Array, size: number, { texts, targets }: Lessons): number {
  const cosines = texts.map((words, text) => {
    const sum = sumOf(vectors, size, words)
    return cosineOf(sum, targets.subarray(text * size, (text + 1) * size))
  })
  return cosines.reduce((sum, value) => sum + value, 0) / cosines.length
}

/** Returns the gradient of `-cosine` by the sum; undefined where the sum is 0. */
function gradientOf(sum: Float32Array, target: Float32Array): Float32Array | undefined {
  const norm = lengthOf(sum)
  if (norm === 0) return undefined
  const targetNorm = lengthOf(target)
  const cosine = cosineOf(sum, target)
  return sum.map((value, i) => (cosine * (value / norm) - target[i]! / targetNorm) / Math.max(norm, SHORTEST_SUM))
}

function sumOf(vectors: Float32Array, size: number, words: readonly number[]): Float32Array {
  const sum = new Float32Array(size)
  for (const word of words) for (let i = 0; i < size; i++) sum[i]! += vectors[word * size + i]!
  return sum
}

function cosineOf(a: Float32Array, b: Float32Array): number {
  const norms = lengthOf(a) * lengthOf(b)
  return norms === 0 ? 0 : a.reduce((sum, value, i) => sum + value * b[i]!, 0) / norms
}

function lengthOf(vector: Float32Array): number {
  return Math.sqrt(vector.reduce((sum, value) => sum + value * value, 0))
}
