import type { Backend, Rows } from "@consilium/kernels"
import { copyRows } from "./copyRows.ts"
import { copyValues } from "./copyValues.ts"
import type { VocabularyMatrix, VocabularyPart } from "./loadWeights.ts"

/**
 * Writes the embeddings of `ids` to the first rows of `out` `[T, H]`.
 *
 * @param spare rows that a matrix of several parts needs for gathering; unused, and may be anything, for one part
 * @param spareIds room for as many ids, likewise
 * @throws Error on an id outside the vocabulary
 */
export function embedIds(
  out: Rows,
  ids: Int32Array,
  numIds: number,
  { parts, numRows }: VocabularyMatrix,
  backend: Backend,
  spare: Rows,
  spareIds: Int32Array,
): void {
  for (let i = 0; i < numIds; i++) {
    if (ids[i]! < 0 || ids[i]! >= numRows) throw new Error(`id ${ids[i]} is outside the vocabulary of ${numRows}`)
  }
  if (parts.length === 1) return backend.embed(out, ids, numIds, parts[0]!.slab)
  for (let p = 0; p < parts.length; p++) embedPart(out, ids, numIds, parts[p]!, backend, spare, spareIds)
}

/** Embeds those of `ids` that the part has, side by side, and puts each in its row of `out`. */
function embedPart(
  out: Rows,
  ids: Int32Array,
  numIds: number,
  { firstRow, numRows, slab }: VocabularyPart,
  backend: Backend,
  spare: Rows,
  spareIds: Int32Array,
): void {
  let numOwn = 0
  for (let i = 0; i < numIds; i++) {
    const own = ids[i]! - firstRow
    if (own >= 0 && own < numRows) spareIds[numOwn++] = own
  }
  backend.embed(spare, spareIds, numOwn, slab)
  let next = 0
  for (let i = 0; i < numIds; i++) {
    const own = ids[i]! - firstRow
    if (own >= 0 && own < numRows) copyRows(backend, out, i, spare, next++, 1)
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
  const { parts } = matrix
  if (parts.length === 1) return backend.matmul(logits, x, numRows, parts[0]!.slab)

  for (let p = 0; p < parts.length; p++) {
    const { firstRow, numRows: width, slab } = parts[p]!
    const { values } = partLogits[p]!
    backend.matmul(partLogits[p]!, x, numRows, slab)
    backend.read?.(partLogits[p]!, numRows)
    backend.sync?.()
    for (let t = 0; t < numRows; t++) copyValues(logits.values, t * matrix.numRows + firstRow, values, t * width, width)
  }
  backend.wrote?.(logits)
}
