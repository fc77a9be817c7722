/** Vectors of passages in one array, to be scanned. */
export interface VectorIndex {
  /**
   * Returns the cosine of a vector to each passage's, by id.
   *
   * @returns undefined for a vector of another size, and for 0, which an embedder gives to what it knows nothing of
   */
  near(vector: Float32Array): NearPassages | undefined
}

/** How near passages are to one question. */
export interface NearPassages {
  /** Returns the ids of the nearest, nearest first. */
  best(limit: number): readonly number[]
  /** 0 for one without a vector. */
  cosine(id: number): number
}

/**
 * Lays vectors out for a plain scan by cosine, each less the mean of all.
 *
 * Mean-pooled vectors of a language model share one large direction that says nothing: without it they tell texts apart.
 *
 * @param vectors `[D]` each
 * @see Mu & Viswanath: All-but-the-Top, arXiv:1702.01417
 */
export function createVectorIndex(ids: readonly number[], vectors: readonly Float32Array[]): VectorIndex {
  const size = vectors[0]?.length ?? 0
  const said = vectors.filter((vector) => !isZero(vector))
  const mean = new Float32Array(size)
  for (const vector of said) for (let i = 0; i < size; i++) mean[i]! += vector[i]! / said.length
  const rows = new Float32Array(vectors.length * size)
  for (const [row, vector] of vectors.entries()) rows.set(centred(vector, mean), row * size)
  const rowOf = new Map(ids.map((id, row) => [id, row]))

  return {
    near(vector) {
      if (vector.length !== size || isZero(vector)) return undefined
      const cosines = new Float32Array(vectors.length)
      dotRows(cosines, rows, centred(vector, mean))
      return {
        best: (limit) => largest(cosines, limit).map((row) => ids[row]!),
        cosine: (id) => cosines[rowOf.get(id) ?? -1] ?? 0,
      }
    },
  }
}

function isZero(vector: Float32Array): boolean {
  return vector.every((value) => value === 0)
}

/** Takes the mean from a vector and gives it length 1; what is nothing but the mean, or 0, is near nothing: 0. */
function centred(vector: Float32Array, mean: Float32Array): Float32Array {
  if (isZero(vector)) return vector
  const moved = vector.map((value, i) => value - mean[i]!)
  let squares = 0
  for (const value of moved) squares += value * value
  const norm = Math.sqrt(squares)
  return norm === 0 ? moved : moved.map((value) => value / norm)
}

function dotRows(scores: Float32Array, rows: Float32Array, vector: Float32Array): void {
  const size = vector.length
  for (let row = 0; row < scores.length; row++) {
    let even = 0
    let odd = 0
    let i = row * size
    let j = 0
    for (; j + 1 < size; j += 2, i += 2) {
      even += rows[i]! * vector[j]!
      odd += rows[i + 1]! * vector[j + 1]!
    }
    if (j < size) even += rows[i]! * vector[j]!
    scores[row] = even + odd
  }
}

/** Returns the places of the largest scores, largest first, ties to the lower. */
function largest(scores: Float32Array, limit: number): number[] {
  const best: number[] = []
  for (let row = 0; row < scores.length; row++) {
    const score = scores[row]!
    if (best.length === limit && score <= scores[best.at(-1)!]!) continue
    let place = best.length
    while (place > 0 && score > scores[best[place - 1]!]!) place--
    best.splice(place, 0, row)
    if (best.length > limit) best.pop()
  }
  return best
}
