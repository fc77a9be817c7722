import type { ForeignModel } from "@consilium/onnx"
import { describe, expect, test } from "bun:test"
import fc from "fast-check"
import { createDecoderModel } from "./createDecoderModel.ts"
import type { DecoderShape } from "./describeDecoder.ts"

const VOCAB = 7
const HEADS = 2
const SIZE = 3
type Tensors = Readonly<Record<string, { readonly data: unknown; readonly dims: readonly number[] }>>

/** What a text comes to: every position and id counts, so that a slip of either shows. */
function logitsOf(ids: readonly number[]): number[] {
  return Array.from({ length: VOCAB }, (_, v) =>
    ids.reduce((sum, id, position) => sum + Math.fround((id + 1) * (position + 2) * (v + 1)), 0),
  )
}

const shapeOf = (hasCache: boolean): DecoderShape => ({
  logits: { type: "f32", isLastOnly: false },
  vocabSize: VOCAB,
  integers: new Map([
    ["input_ids", "i64"],
    ["attention_mask", "i64"],
    ["position_ids", "i64"],
  ]),
  cache: hasCache
    ? [{ input: "past_key_values.0.key", output: "present.0.key", type: "f32", numHeads: HEADS, headSize: SIZE }]
    : [],
})

/** A decoder whose cache holds, for each head and position, `(id + 1) * (position + 2) + head` in every place. */
function fakeDecoder(hasCache: boolean) {
  let fails = false
  const runs: number[] = []
  const run = (feeds: Tensors, fetches: Tensors): object => {
    const fed = [...(feeds.input_ids!.data as BigInt64Array)].map(Number)
    const positions = [...(feeds.position_ids!.data as BigInt64Array)].map(Number)
    runs.push(fed.length)
    const past = hasCache ? (feeds["past_key_values.0.key"]!.data as Float32Array) : new Float32Array()
    const length = past.length / (HEADS * SIZE)
    expect(positions).toEqual(fed.map((_, i) => length + i))
    expect((feeds.attention_mask!.data as BigInt64Array).length).toBe(length + fed.length)
    const own = fed.map((id, i) => (id + 1) * (positions[i]! + 2))
    const knownOf = (head: number): number[] =>
      Array.from({ length }, (_, p) => past[(head * length + p) * SIZE + SIZE - 1]! - head)
    const known = knownOf(0)
    for (let head = 1; head < HEADS; head++) expect(knownOf(head)).toEqual(known)
    const total = length + fed.length
    if (hasCache) {
      const present = fetches["present.0.key"]!.data as Float32Array
      expect(present.length).toBe(total * HEADS * SIZE)
      for (let head = 0; head < HEADS; head++) {
        for (let p = 0; p < length * SIZE; p++) present[head * total * SIZE + p] = past[head * length * SIZE + p]!
        for (const [i, value] of own.entries())
          present.fill(value + head, (head * total + length + i) * SIZE, (head * total + length + i + 1) * SIZE)
      }
    }
    if (fails) throw new Error("onnxruntime says no")
    const logits = fetches.logits?.data as Float32Array | undefined
    for (let row = 0; row < fed.length; row++) {
      const sum = [...known, ...own.slice(0, row + 1)].reduce((a, b) => a + b, 0)
      for (let v = 0; v < VOCAB; v++) logits?.fill(sum * (v + 1), row * VOCAB + v, row * VOCAB + v + 1)
    }
    return {}
  }
  const decoder = { inputs: [], outputs: [], run, close: () => {} } as unknown as ForeignModel
  return { decoder, runs, setFails: (value: boolean) => void (fails = value) }
}

const SIZES = { numSlots: 3, capacity: 64, maxRows: 16 }
function openModel(hasCache: boolean) {
  const fake = fakeDecoder(hasCache)
  const model = createDecoderModel(fake.decoder, shapeOf(hasCache), SIZES)
  const run = (slotId: number, ids: readonly number[], pastLength: number, wantsLogits = true): number[] => {
    const slots = [{ slotId, firstRow: 0, numRows: ids.length, pastLength, wantsLogits }]
    model.run({ numRows: ids.length, ids: Int32Array.from(ids), slots })
    return [...model.logits(0)]
  }
  return { ...fake, model, run }
}
const ids = fc.array(fc.integer({ min: 0, max: VOCAB - 1 }), { minLength: 1, maxLength: 12 })

describe.each([true, false])("createDecoderModel, with a cache: %p", (hasCache) => {
  test("in pieces or at once, a text comes to the same", () => {
    fc.assert(
      fc.property(fc.array(ids, { minLength: 1, maxLength: 5 }), (pieces) => {
        const { run } = openModel(hasCache)
        let past = 0
        const said: number[] = []
        for (const piece of pieces) {
          said.push(...piece)
          expect(run(1, piece, past)).toEqual(logitsOf(said))
          past += piece.length
        }
      }),
    )
  })

  test("goes on from any position that a slot has had, and from what another one had", () => {
    fc.assert(
      fc.property(ids, ids, fc.nat(), fc.nat(), (first, second, cut, copied) => {
        const { model, run } = openModel(hasCache)
        run(0, first, 0)
        const kept = cut % (first.length + 1)
        const whole = [...first.slice(0, kept), ...second]
        expect(run(0, second, kept)).toEqual(logitsOf(whole))
        const shared = copied % (whole.length + 1)
        model.copyPrefix(0, 2, shared)
        expect(run(2, second, shared)).toEqual(logitsOf([...whole.slice(0, shared), ...second]))
        // Whose it was goes on undisturbed.
        expect(run(0, [1], whole.length)).toEqual(logitsOf([...whole, 1]))
      }),
    )
  })

  test("sequences of one batch know nothing of each other", () => {
    const { model } = openModel(hasCache)
    const slot = (slotId: number, firstRow: number, numRows: number) =>
      ({ slotId, firstRow, numRows, pastLength: 0, wantsLogits: true }) as const
    model.run({ numRows: 5, ids: Int32Array.of(1, 2, 3, 4, 5), slots: [slot(2, 0, 2), slot(0, 2, 3)] })
    expect([...model.logits(0)]).toEqual(logitsOf([1, 2]))
    expect([...model.logits(1)]).toEqual(logitsOf([3, 4, 5]))
  })

  test("a run that failed can be repeated", () => {
    const { run, setFails } = openModel(hasCache)
    run(0, [1, 2], 0)
    setFails(true)
    expect(() => run(0, [3], 2)).toThrow("onnxruntime says no")
    setFails(false)
    expect(run(0, [3], 2)).toEqual(logitsOf([1, 2, 3]))
  })
})

test("createDecoderModel: without a cache a piece of a prompt is not run for nothing", () => {
  const { run, runs } = openModel(false)
  run(0, [1, 2, 3], 0, false)
  expect(runs).toEqual([])
  expect(run(0, [4], 3)).toEqual(logitsOf([1, 2, 3, 4]))
  expect(runs).toEqual([4])
})
