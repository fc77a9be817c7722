import type { Transformer } from "../src/index.ts"

export interface GreedyOptions {
  readonly numIds: number
  /** Rows of a prefill chunk; the whole prompt unless given. */
  readonly chunkRows?: number
  readonly stopIds?: readonly number[]
}

/** Decodes greedily in slot 0: the plainest use of a transformer. Returns the ids, and by how much each led the second best. */
export function generateGreedy(
  transformer: Transformer,
  prompt: readonly number[],
  { numIds, chunkRows = prompt.length, stopIds = [] }: GreedyOptions,
): { ids: number[]; margins: number[] } {
  const run = (ids: readonly number[], pastLength: number): Float32Array => {
    const slot = { slotId: 0, firstRow: 0, numRows: ids.length, pastLength, wantsLogits: true }
    transformer.run({ numRows: ids.length, ids: Int32Array.from(ids), slots: [slot] })
    return transformer.logits(0)
  }
  let logits: Float32Array = new Float32Array()
  for (let at = 0; at < prompt.length; at += chunkRows) logits = run(prompt.slice(at, at + chunkRows), at)

  const generated: { ids: number[]; margins: number[] } = { ids: [], margins: [] }
  for (let i = 0; i < numIds; i++) {
    const { id, margin } = best(logits)
    generated.ids.push(id)
    generated.margins.push(margin)
    if (stopIds.includes(id) || i === numIds - 1) break
    logits = run([id], prompt.length + i)
  }
  return generated
}

function best(logits: Float32Array): { id: number; margin: number } {
  let id = 0
  let second = Number.NEGATIVE_INFINITY
  for (let v = 1; v < logits.length; v++) {
    if (logits[v]! > logits[id]!) {
      second = logits[id]!
      id = v
    } else if (logits[v]! > second) second = logits[v]!
  }
  return { id, margin: logits[id]! - second }
}
