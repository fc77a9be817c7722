import { describe, expect, test } from "bun:test"
import type { AttentionLayer } from "@consilium/kernels"
import { attendBatches, type DeviceSlot } from "./attendBatches.ts"
import { BATCHED_SLOTS } from "./batchedSlots.ts"
import type { GpuHeap } from "./GpuHeaps.ts"

const CAPACITY = 4096
const LAYER: AttentionLayer = {
  numHeads: 8,
  numKvHeads: 4,
  headDim: 64,
  scale: 1,
  rope: undefined,
  slidingWindow: Number.POSITIVE_INFINITY,
  qkNorm: undefined,
}
/** Words of one slot's keys. */
const WORDS = LAYER.numKvHeads * CAPACITY * LAYER.headDim
const HEAPS: readonly GpuHeap[] = [0, 1, 2].map((id) => ({ id, buffer: id }))

/** A slot whose caches have the place `at` of their heaps. */
function slotAt(at: number, pastLength: number, numRows = 1, [keys, values] = [0, 1]): DeviceSlot {
  const [inKeys, inValues] = [keys, values].map((heap) => ({ heap: HEAPS[heap!]!, word: at * WORDS }))
  return {
    firstRow: at,
    numRows,
    pastLength,
    capacity: CAPACITY,
    cacheFormat: "f32",
    keys: inKeys!,
    values: inValues!,
  }
}

describe("attendBatches", () => {
  test("decoding slots are one batch, whatever they have seen: each with its rows of the heaps, and its sums after those before it", () => {
    const [batch, ...others] = attendBatches([slotAt(0, 0), slotAt(1, 640), slotAt(2, 64)], LAYER)
    expect(others).toEqual([])
    expect(batch).toMatchObject({ numRows: 3, workgroups: 12, mostBlocks: 11, numSums: 8 * 14, isSplit: true })
    const rows = LAYER.numKvHeads * CAPACITY
    expect(batch!.slots.map(({ keysRow, valuesRow }) => [keysRow, valuesRow])).toEqual(
      [0, 1, 2].map((at) => [at * rows, at * rows]),
    )
    expect(batch!.slots.map(({ firstSum }) => firstSum)).toEqual([0, 8, 8 * 12])
  })

  test("rows of half-sized values are counted in their own size", () => {
    const [batch] = attendBatches([{ ...slotAt(1, 5), cacheFormat: "bf16/8" }], LAYER)
    expect(batch!.slots[0]!.keysRow).toBe(2 * LAYER.numKvHeads * CAPACITY)
  })

  test("a window leaves out blocks before it", () => {
    const [batch] = attendBatches([slotAt(0, 640)], { ...LAYER, slidingWindow: 65 })
    expect(batch!.mostBlocks).toBe(2)
  })

  test("slots of another heap, format or kind are another batch, and so are those that parameters have no room for", () => {
    const slots = [
      slotAt(0, 10),
      slotAt(1, 10, 1, [2, 1]),
      slotAt(2, 10, 1, [0, 2]),
      slotAt(3, 10, 40),
      { ...slotAt(4, 10), cacheFormat: "bf16/8" as const },
      slotAt(5, 10),
    ]
    const firstRows = (of: readonly DeviceSlot[]) =>
      attendBatches(of, LAYER).map((batch) => batch.slots.map(({ firstRow }) => firstRow))
    expect(firstRows(slots)).toEqual([[0, 5], [1], [2], [3], [4]])
    const many = Array.from({ length: 2 * BATCHED_SLOTS + 1 }, (_, at) => slotAt(at, 10))
    expect(firstRows(many).map(({ length }) => length)).toEqual([BATCHED_SLOTS, BATCHED_SLOTS, 1])
  })

  test("sums of a split batch take 64 MiB at most: long pasts are shared out, and one that is too long is not split", () => {
    const layer = { ...LAYER, headDim: 512 }
    const batches = attendBatches(
      [0, 1, 2].map((at) => slotAt(at, 2 ** 17)),
      layer,
    )
    expect(batches.map(({ slots, isSplit }) => [slots.length, isSplit])).toEqual([
      [1, true],
      [1, true],
      [1, true],
    ])
    const [tooLong] = attendBatches([slotAt(0, 2 ** 18)], layer)
    expect(tooLong!.isSplit).toBe(false)
  })

  test("a batch is split where few of its workgroups have much to do", () => {
    const short = Array.from({ length: 20 }, (_, at) => slotAt(at, 10, 4))
    const isSplit = (slots: readonly DeviceSlot[]) =>
      attendBatches(slots, { ...LAYER, numHeads: 16, numKvHeads: 16 })[0]!.isSplit
    expect(isSplit(short)).toBe(false)
    expect(isSplit([...short, slotAt(20, 640, 4)])).toBe(true)
    expect(isSplit(short.map((slot) => ({ ...slot, pastLength: 640 })))).toBe(false)
  })
})
