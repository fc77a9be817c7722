import { afterAll, expect, test } from "bun:test"
import { noise } from "@consilium/tensor"
import { expectClose } from "@consilium/testing"
import * as fc from "fast-check"
import type { AttentionLayer, SlotRows } from "./Backend.ts"
import { createArena } from "./createArena.ts"
import { createReferenceBackend } from "./createReferenceBackend.ts"

const arena = createArena()
const backend = createReferenceBackend(arena)
afterAll(() => arena.close())

/** A sequence by itself, from the textbook: complex rotations, one softmax over all visible positions. No cache, no slots, no chunks. */
function attendPlainly(qkv: Float32Array, numRows: number, layer: AttentionLayer): number[] {
  const { numHeads, numKvHeads, headDim, scale, slidingWindow, rope, qkNorm } = layer
  const width = (numHeads + 2 * numKvHeads) * headDim
  const head = (row: number, index: number): number[] => [
    ...qkv.subarray(row * width + index * headDim, row * width + (index + 1) * headDim),
  ]
  const rmsNorm = (values: number[], weight: Float32Array): number[] => {
    const mean = values.reduce((sum, v) => sum + v * v, 0) / values.length
    return values.map((v, i) => (v / Math.sqrt(mean + qkNorm!.epsilon)) * weight[i % weight.length]!)
  }
  /** Heads `first .. first + count` of a row, normed and rotated. */
  const prepare = (row: number, first: number, count: number, weight: Float32Array | undefined): number[][] => {
    const heads = Array.from({ length: count }, (_, i) => head(row, first + i))
    const whole = weight !== undefined && qkNorm?.over === "projection" ? rmsNorm(heads.flat(), weight) : heads.flat()
    return heads.map((_, i) => {
      const own = whole.slice(i * headDim, (i + 1) * headDim)
      return rotate(weight !== undefined && qkNorm?.over === "head" ? rmsNorm(own, weight) : own, row)
    })
  }
  const rotate = (values: number[], position: number): number[] => {
    if (rope === undefined) return values
    const half = rope.rotaryDim / 2
    const result = [...values]
    for (let i = 0; i < half; i++) {
      const [re, im] = rope.isInterleaved ? [2 * i, 2 * i + 1] : [i, i + half]
      const [c, s] = [rope.cos[position * half + i]!, rope.sin[position * half + i]!]
      result[re] = values[re]! * c - values[im]! * s
      result[im] = values[re]! * s + values[im]! * c
    }
    return result
  }
  const keys = Array.from({ length: numRows }, (_, row) => prepare(row, numHeads, numKvHeads, qkNorm?.k))
  return Array.from({ length: numRows }, (_, row) =>
    prepare(row, 0, numHeads, qkNorm?.q).flatMap((query, h) => {
      const kvHead = Math.floor(h / (numHeads / numKvHeads))
      const visible = keys
        .keys()
        .filter((p) => p <= row && p > row - slidingWindow)
        .toArray()
      const scores = visible.map((p) =>
        Math.exp(scale * query.reduce((sum, q, i) => sum + q * keys[p]![kvHead]![i]!, 0)),
      )
      const total = scores.reduce((sum, score) => sum + score, 0)
      return query.map((_, i) =>
        visible.reduce((sum, p, n) => sum + (scores[n]! / total) * head(p, numHeads + numKvHeads + kvHead)[i]!, 0),
      )
    }),
  ).flat()
}

const layers = fc
  .record({
    numKvHeads: fc.integer({ min: 1, max: 2 }),
    queriesPerKv: fc.integer({ min: 1, max: 3 }),
    headDim: fc.constantFrom(4, 8),
    slidingWindow: fc.constantFrom(1, 3, Number.POSITIVE_INFINITY),
    over: fc.constantFrom("head" as const, "projection" as const, undefined),
    isInterleaved: fc.boolean(),
    rotaryShare: fc.constantFrom(0, 0.5, 1),
  })
  .map(({ numKvHeads, queriesPerKv, headDim, slidingWindow, over, isInterleaved, rotaryShare }): AttentionLayer => {
    const numHeads = numKvHeads * queriesPerKv
    const rotaryDim = headDim * rotaryShare
    const half = rotaryDim / 2
    const angles = Float32Array.from({ length: 64 * half }, (_, i) => Math.floor(i / half) * 0.7 ** (i % half))
    const normWidth = (heads: number): number => (over === "head" ? headDim : heads * headDim)
    return {
      numHeads,
      numKvHeads,
      headDim,
      slidingWindow,
      scale: 0.3,
      rope: half === 0 ? undefined : { cos: angles.map(Math.cos), sin: angles.map(Math.sin), rotaryDim, isInterleaved },
      qkNorm: over && {
        over,
        epsilon: 1e-5,
        q: noise(normWidth(numHeads), 1, 1),
        k: noise(normWidth(numKvHeads), 2, 1),
      },
    }
  })

test("attend: sequences cut into steps of any size and mixed in calls give what each gives alone, and the textbook's values", () => {
  const lengths = fc.array(fc.array(fc.integer({ min: 0, max: 4 }), { minLength: 4, maxLength: 4 }), {
    minLength: 1,
    maxLength: 3,
  })
  fc.assert(
    fc.property(layers, lengths, (layer, chunks) => {
      const { numHeads, numKvHeads, headDim } = layer
      const [width, outWidth] = [(numHeads + 2 * numKvHeads) * headDim, numHeads * headDim]
      const sequences = chunks.map((sizes, s) => {
        const numRows = sizes.reduce((sum, size) => sum + size, 0)
        const capacity = numRows + s
        const [keys, values] = [arena.rows(numKvHeads * capacity, headDim), arena.rows(numKvHeads * capacity, headDim)]
        return {
          sizes,
          numRows,
          capacity,
          keys,
          values,
          qkv: noise(numRows * width, 9 + s, 1),
          outputs: [] as number[],
        }
      })
      const taken = sequences.flatMap(({ keys, values }) => [keys, values])
      const pasts = sequences.map(() => 0)
      for (let call = 0; call < 4; call++) {
        const numRows = sequences.reduce((sum, { sizes }) => sum + sizes[call]!, 0)
        const [qkv, out] = [arena.rows(numRows, width), arena.rows(numRows, outWidth)]
        taken.push(qkv, out)
        let firstRow = 0
        const slots: SlotRows[] = sequences.map(({ sizes, capacity, keys, values, qkv: own }, s) => {
          const [past, size] = [pasts[s]!, sizes[call]!]
          qkv.values.set(own.subarray(past * width, (past + size) * width), firstRow * width)
          firstRow += size
          return { firstRow: firstRow - size, numRows: size, pastLength: past, capacity, keys, values }
        })
        backend.attend(out, qkv, slots, layer)
        for (const [s, slot] of slots.entries()) {
          const from = slot.firstRow * outWidth
          sequences[s]!.outputs.push(...out.values.subarray(from, from + slot.numRows * outWidth))
          pasts[s]! += slot.numRows
        }
      }
      for (const { qkv, numRows, capacity, outputs } of sequences) {
        expectClose(outputs, attendPlainly(qkv, numRows, layer), 1e-5, { relative: 1e-5 })

        const alone = [
          arena.rows(numRows, width),
          arena.rows(numRows, outWidth),
          arena.rows(numKvHeads * capacity, headDim),
          arena.rows(numKvHeads * capacity, headDim),
        ] as const
        taken.push(...alone)
        const [rows, out, keys, values] = alone
        rows.values.set(qkv)
        backend.attend(out, rows, [{ firstRow: 0, numRows, pastLength: 0, capacity, keys, values }], layer)
        expect(outputs).toEqual([...out.values])
      }
      for (const { span } of taken) arena.free(span)
    }),
    { numRuns: 80 },
  )
})

test("attend: scores far beyond the range of exp are no NaN", () => {
  const layer: AttentionLayer = {
    numHeads: 1,
    numKvHeads: 1,
    headDim: 2,
    scale: 1,
    rope: undefined,
    slidingWindow: Number.POSITIVE_INFINITY,
    qkNorm: undefined,
  }
  const [qkv, out, keys, values] = [arena.rows(2, 6), arena.rows(2, 2), arena.rows(2, 2), arena.rows(2, 2)]
  qkv.values.set([100, 100, 100, 100, 1, 2, 100, 100, -100, 100, 3, 4])
  backend.attend(out, qkv, [{ firstRow: 0, numRows: 2, pastLength: 0, capacity: 2, keys, values }], layer)
  expect([...out.values]).toEqual([1, 2, 1, 2])
})
