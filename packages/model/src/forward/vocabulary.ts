import type { Backend, Rows } from "@consilium/kernels"
import type { VocabularyMatrix } from "./loadWeights.ts"

/**
 * Writes the embeddings of `ids` to the first rows of `out` `[T, H]`.
 *
 * @param spare rows that a matrix of several parts needs for gathering; unused, and may be anything, for one part
 * @throws Error on an id outside the vocabulary
 */
export function embedIds(
  out: Rows,
  ids: Int32Array,
  numIds: number,
  matrix: VocabularyMatrix,
  backend: Backend,
  spare: Rows,
): void {
  for (let i = 0; i < numIds; i++) {
    if (ids[i]! < 0 || ids[i]! >= matrix.numRows)
      throw new Error(`id ${ids[i]} is outside the vocabulary of ${matrix.numRows}`)
  }
  const [only] = matrix.parts
  if (matrix.parts.length === 1) return backend.embed(out, ids, numIds, only!.slab)

  const { width } = out
  const places = new Int32Array(numIds)
  const local = new Int32Array(numIds)
  for (const { firstRow, numRows, slab } of matrix.parts) {
    let n = 0
    for (let i = 0; i < numIds; i++) {
      if (ids[i]! < firstRow || ids[i]! >= firstRow + numRows) continue
      places[n] = i
      local[n++] = ids[i]! - firstRow
    }
    backend.embed(spare, local, n, slab)
    for (let i = 0; i < n; i++) out.values.set(spare.values.subarray(i * width, (i + 1) * width), places[i]! * width)
  }
}

/**
 * Writes `logits[t] = head · x[t]`, `[numRows, V]`.
 *
 * @param partLogits rows as wide as each part, for a matrix of several parts; empty for one part
 */
export function headLogits(
  logits: Rows,
  x: Rows,
  numRows: number,
  matrix: VocabularyMatrix,
  backend: Backend,
  partLogits: readonly Rows[],
): void {
  const [only] = matrix.parts
  if (matrix.parts.length === 1) return backend.matmul(logits, x, numRows, only!.slab)

  matrix.parts.forEach(({ firstRow, numRows: width, slab }, p) => {
    const part = partLogits[p]!
    backend.matmul(part, x, numRows, slab)
    for (let t = 0; t < numRows; t++) {
      logits.values.set(part.values.subarray(t * width, (t + 1) * width), t * matrix.numRows + firstRow)
    }
  })
}
