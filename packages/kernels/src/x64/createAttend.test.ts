import { afterAll, describe, expect, test } from "bun:test"
import { noise } from "@consilium/tensor"
import { maxError } from "@consilium/testing"
import * as fc from "fast-check"
import { ATTEND_CASES } from "../attendCases.ts"
import type { CacheRows, Rows } from "../Arena.ts"
import type { AttentionLayer, Backend, SlotRows } from "../Backend.ts"
import { type CacheFormat, fitsCache } from "../cacheFormat.ts"
import { createArena } from "../createArena.ts"
import { createReferenceBackend } from "../createReferenceBackend.ts"
import { createX64Backend } from "./createX64Backend.ts"
import { runnableIsas } from "./runnableIsas.ts"

/** One sequence: how many rows each call has of it, and all its rows. */
interface Sequence {
  readonly steps: readonly number[]
  readonly qkv: Float32Array
}

const NUM_CALLS = 4

interface Shape {
  readonly numKvHeads: number
  readonly groupHeads: number
  readonly headDim: number
  readonly slidingWindow: number
  readonly over: "head" | "projection" | undefined
  readonly isPaired: boolean
}

const shapes: fc.Arbitrary<Shape> = fc.record({
  numKvHeads: fc.integer({ min: 1, max: 3 }),
  groupHeads: fc.constantFrom(1, 2, 8),
  headDim: fc.constantFrom(8, 24, 64),
  slidingWindow: fc.constantFrom(5, 70, Infinity),
  over: fc.constantFrom("head", "projection", undefined),
  isPaired: fc.boolean(),
})

function planLayer({ numKvHeads, groupHeads, headDim, slidingWindow, over }: Shape): AttentionLayer {
  const numHeads = numKvHeads * groupHeads
  const angles = Float32Array.from({ length: 256 * (headDim / 2) }, (_, i) => i * 0.37)
  const weights = (heads: number) => noise(over === "head" ? headDim : heads * headDim, heads, 1)
  return {
    numHeads,
    numKvHeads,
    headDim,
    slidingWindow,
    scale: 1 / Math.sqrt(headDim),
    rope: { cos: angles.map(Math.cos), sin: angles.map(Math.sin), rotaryDim: headDim, isInterleaved: false },
    qkNorm: over && { over, q: weights(numHeads), k: weights(numKvHeads), epsilon: 1e-6 },
  }
}

/** Returns each sequence's outputs, where call `c` has `steps[c]` rows of each. */
function attendInCalls(
  backend: Backend,
  sequences: readonly Sequence[],
  layer: AttentionLayer,
  format: CacheFormat,
): Float32Array[] {
  const { arena } = backend
  const { numHeads, numKvHeads, headDim } = layer
  const [width, outWidth] = [(numHeads + 2 * numKvHeads) * headDim, numHeads * headDim]
  const taken: CacheRows[] = []
  const take = (numRows: number, width: number): Rows => {
    const rows = arena.rows(numRows, width)
    taken.push(rows)
    return rows
  }
  const takeCache = (numRows: number): CacheRows => {
    taken.push(arena.cacheRows(format, numRows, headDim))
    return taken.at(-1)!
  }
  const caches = sequences.map(({ qkv }) => {
    const capacity = qkv.length / width
    return { capacity, keys: takeCache(numKvHeads * capacity), values: takeCache(numKvHeads * capacity) }
  })
  const pasts = sequences.map(() => 0)
  const outputs = sequences.map(({ qkv }) => new Float32Array((qkv.length / width) * outWidth))
  for (let call = 0; call < NUM_CALLS; call++) {
    const numRows = sequences.reduce((sum, { steps }) => sum + steps[call]!, 0)
    const [qkv, out] = [take(numRows, width), take(numRows, outWidth)]
    let firstRow = 0
    const slots = sequences.map(({ steps, qkv: own }, s): SlotRows => {
      const slot = { firstRow, numRows: steps[call]!, pastLength: pasts[s]!, ...caches[s]! }
      qkv.values.set(own.subarray(pasts[s]! * width, (pasts[s]! + slot.numRows) * width), firstRow * width)
      firstRow += slot.numRows
      return slot
    })
    backend.attend(out, qkv, slots, layer)
    for (const [s, slot] of slots.entries()) {
      const from = slot.firstRow * outWidth
      outputs[s]!.set(out.values.subarray(from, from + slot.numRows * outWidth), pasts[s]! * outWidth)
      pasts[s]! += slot.numRows
    }
  }
  for (const { span } of taken) arena.free(span)
  return outputs
}

const isas = [64, 32].flatMap((bytes) => runnableIsas().find(({ vectorBytes }) => vectorBytes === bytes) ?? [])
if (isas.length === 0) test.skip("attend on x64: this machine has no AVX2", () => {})

describe.each(isas)("attend on $name", (isa) => {
  const arena = createArena()
  const [one, three] = [1, 3].map((numThreads) => createX64Backend(arena, { isa, numThreads }))
  const reference = createReferenceBackend(arena)
  afterAll(() => {
    for (const backend of [one, three]) backend!.close()
    arena.close()
  })

  test.each(ATTEND_CASES)("$name", ({ run, bound, name }) => {
    const expected = run(reference)!
    const largest = expected.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0)
    for (const backend of [one!, three!]) {
      const found = run(backend)
      // Pairs lie as far apart as this machine's vectors are long.
      if (found === undefined) expect(name).toMatch(/bf16/)
      else expect(maxError(found, expected)).toBeLessThan(name.includes("bf16") ? bound : (bound * largest) / 100)
    }
  })

  function expectSameBits(shape: Shape, chunks: readonly (readonly number[])[]): void {
    const layer = planLayer(shape)
    const width = (layer.numHeads + 2 * layer.numKvHeads) * layer.headDim
    const sequences = chunks.map((steps, s): Sequence => {
      const length = steps.reduce((sum, count) => sum + count, 0)
      return { steps, qkv: noise(length * width, 9 + s, 1) }
    })
    const format = shape.isPaired && fitsCache(isa.cacheFormat, shape.headDim) ? isa.cacheFormat : "f32"
    const together = attendInCalls(three!, sequences, layer, format)
    for (const [s, { steps, qkv }] of sequences.entries()) {
      const length = steps.reduce((sum, count) => sum + count, 0)
      const alone = { steps: [length, 0, 0, 0], qkv }
      const [whole] = attendInCalls(one!, [alone], layer, format)
      expect(together[s]!).toEqual(whole!)
      const [expected] = attendInCalls(reference, [alone], layer, format)
      // A number that lies between two of bf16 may be rounded either way.
      expect(maxError(whole!, expected!)).toBeLessThan(format === "f32" ? 1e-5 : 1e-2)
    }
  }

  test("a sequence has the same bits in any steps, beside any others, on one host or three", () => {
    const numRows = fc.integer({ min: 0, max: 40 })
    const steps = fc.array(numRows, { minLength: NUM_CALLS, maxLength: NUM_CALLS })
    fc.assert(fc.property(shapes, fc.array(steps, { minLength: 1, maxLength: 3 }), expectSameBits), { numRuns: 20 })
  })

  test("what would run past its memory is refused", () => {
    const layer = planLayer({
      numKvHeads: 1,
      groupHeads: 2,
      headDim: 8,
      slidingWindow: 5,
      over: undefined,
      isPaired: false,
    })
    const [qkv, out, keys, values] = [arena.rows(2, 32), arena.rows(2, 16), arena.rows(4, 8), arena.rows(4, 8)]
    const slot = { firstRow: 0, numRows: 2, pastLength: 0, capacity: 4, keys, values }
    const attend = (changes: Partial<SlotRows>) => one!.attend(out, qkv, [{ ...slot, ...changes }], layer)
    attend({ pastLength: 2 })
    expect(() => attend({ pastLength: 3 })).toThrow("expected at most 4 positions, found 5")
    expect(() => attend({ firstRow: 1 })).toThrow("expected 3 rows of 32 values")
    expect(() => attend({ capacity: 5 })).toThrow("expected 5 rows of 8 values")
    const rope = { ...layer.rope!, cos: layer.rope!.cos.subarray(0, 7) }
    expect(() => one!.attend(out, qkv, [slot], { ...layer, rope })).toThrow("expected rope tables of 2 positions")
    for (const { span } of [qkv, out, keys, values]) arena.free(span)
  })

  test("a key head may have more queries than a tile has room for", () => {
    const shape = { numKvHeads: 2, groupHeads: 100, headDim: 24, slidingWindow: 5, over: undefined, isPaired: false }
    expectSameBits(shape, [
      [9, 1, 0, 3],
      [1, 1, 1, 1],
    ])
  })
})
