/**
 * The backend of plain loops: always right, on every machine, and what all others are tested against.
 *
 * Every row is computed by itself, so its bits do not depend on what else is in the batch.
 */
import { activationFunction, expertActivation } from "./Activation.ts"
import type { Arena } from "./Arena.ts"
import { attendHead, createAttendScratch } from "./attendHead.ts"
import { type Backend, PLAIN_OPS, type Slab } from "./Backend.ts"
import { addScaledRows, appendKeysAndValues, normAndRotate, normRows } from "./elementwise.ts"
import { createMultiplyScratch, multiplyRow } from "./multiplyRow.ts"
import { embedRows, type OpenMatrix, openMatrix } from "./openMatrix.ts"
import { checkWidths, matrixOf } from "./slabChecks.ts"

interface ReferenceSlab extends Slab {
  readonly matrix: OpenMatrix | undefined
  readonly gateProj: OpenMatrix | undefined
  readonly upProj: OpenMatrix | undefined
  readonly downProj: OpenMatrix | undefined
}

/** Creates the reference backend; it supports every operation on every format, and computes with slabs where they lie in the arena. */
export function createReferenceBackend(arena: Arena): Backend {
  const scratch = createMultiplyScratch()
  let gate = new Float32Array()
  let up = new Float32Array()
  const attendScratch = createAttendScratch()
  const open = new WeakSet<Slab>()

  const opened = (slab: Slab): ReferenceSlab => {
    if (!open.has(slab)) throw new Error("reference: this slab is not open")
    return slab as ReferenceSlab
  }

  return {
    name: "reference",
    arena,
    cacheFormats: ["f32", "bf16/16", "bf16/8"],
    supports: (op) => PLAIN_OPS.has(op),
    openSlab(span, layout) {
      if (span.bytes < layout.bytes)
        throw new Error(`reference: a slab of ${layout.bytes} bytes does not fit a span of ${span.bytes}`)
      const bytes = arena.bytes(span)
      const isExpert = layout.kind === "expert"
      const slab: ReferenceSlab = {
        backend: "reference",
        layout,
        readsArena: true,
        matrix: isExpert ? undefined : openMatrix(bytes, layout.matrix),
        gateProj: isExpert && layout.gateProj !== undefined ? openMatrix(bytes, layout.gateProj) : undefined,
        upProj: isExpert ? openMatrix(bytes, layout.upProj) : undefined,
        downProj: isExpert ? openMatrix(bytes, layout.downProj) : undefined,
      }
      open.add(slab)
      return slab
    },
    numBytes: ({ layout }) => layout.bytes,
    closeSlab(slab) {
      open.delete(slab)
    },
    embed(out, ids, numIds, slab) {
      embedRows(out.values, ids, numIds, opened(slab).matrix!)
    },
    matmul(out, x, numRows, slab) {
      const { numRows: outWidth, numColumns } = matrixOf(slab)
      checkWidths("matmul", out, outWidth, x, numColumns)
      const { matrix } = opened(slab)
      for (let t = 0; t < numRows; t++)
        multiplyRow(out.values, t * outWidth, x.values, t * numColumns, matrix!, scratch)
    },
    expert(out, x, firstRow, numRows, slab) {
      const { gateProj, upProj, downProj, layout } = opened(slab)
      if (layout.kind !== "expert") throw new Error("reference: expert() wants an expert slab")
      const { numRows: intermediateSize, numColumns: hiddenSize } = layout.upProj
      checkWidths("expert", out, hiddenSize, x, hiddenSize)
      if (up.length < intermediateSize)
        [gate, up] = [new Float32Array(intermediateSize), new Float32Array(intermediateSize)]
      const activate = activationFunction(expertActivation(layout.activation, gateProj !== undefined))
      for (let t = firstRow; t < firstRow + numRows; t++) {
        multiplyRow(up, 0, x.values, t * hiddenSize, upProj!, scratch)
        if (gateProj !== undefined) multiplyRow(gate, 0, x.values, t * hiddenSize, gateProj, scratch)
        for (let i = 0; i < intermediateSize; i++) up[i] = activate(gate[i]!, up[i]!)
        multiplyRow(out.values, t * hiddenSize, up, 0, downProj!, scratch)
      }
    },
    attend(out, qkv, slots, layer) {
      const { numHeads, numKvHeads, headDim } = layer
      normAndRotate(qkv.values, slots, layer)
      appendKeysAndValues(qkv.values, slots, layer)
      const queriesPerKv = numHeads / numKvHeads
      for (const slot of slots) {
        for (let r = 0; r < slot.numRows; r++) {
          const row = slot.firstRow + r
          for (let head = 0; head < numHeads; head++) {
            const query = row * (numHeads + 2 * numKvHeads) * headDim + head * headDim
            const kvHead = Math.floor(head / queriesPerKv)
            const to = (row * numHeads + head) * headDim
            attendHead(out.values, to, qkv.values, query, slot.pastLength + r, kvHead, slot, layer, attendScratch)
          }
        }
      }
    },
    norm: (out, x, numRows, weight, epsilon) => normRows(out.values, x.values, numRows, weight, epsilon),
    addScaled: (out, x, numRows, factors) => addScaledRows(out.values, x.values, numRows, out.width, factors),
    close() {},
  }
}
