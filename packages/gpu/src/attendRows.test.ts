import { expect, test } from "bun:test"
import type { AttentionLayer } from "@consilium/kernels"
import type { DeviceSlot } from "./attendBatches.ts"
import { attendRows } from "./attendRows.ts"
import type { GpuContext } from "./runRows.ts"

const LAYER: AttentionLayer = {
  numHeads: 8,
  numKvHeads: 2,
  headDim: 64,
  scale: 1,
  rope: undefined,
  slidingWindow: Number.POSITIVE_INFINITY,
  qkNorm: { over: "head", q: new Float32Array(64), k: new Float32Array(64), epsilon: 1e-6 },
}

/** Returns what is dispatched, in words. */
function dispatchesOf(slots: readonly DeviceSlot[]): string[] {
  const found: string[] = []
  const kernel = (name: string) => () => name
  const context = {
    queue: { dispatch: (name: string, grid: readonly number[]) => void found.push(`${name} ${grid.join(" x ")}`) },
    kernels: { rotate: kernel("rotate"), append: kernel("append"), attend: kernel("attend"), merge: kernel("merge") },
    scratch: { take: () => 0 },
    constants: { take: () => 0 },
  }
  attendRows(context as unknown as GpuContext, 0, 0, slots, LAYER)
  return found
}

const [keys, values] = [0, 1].map((id) => ({ id, buffer: id }))
const slotAt = (at: number, pastLength: number, numRows = 1): DeviceSlot => ({
  firstRow: at,
  numRows,
  pastLength,
  capacity: 4096,
  cacheFormat: "f32",
  keys: { heap: keys!, word: 0 },
  values: { heap: values!, word: 0 },
})

test("attendRows: sixteen decoding slots are one dispatch of each kernel, and a chunk beside them another three", () => {
  const decoding = Array.from({ length: 16 }, (_, at) => slotAt(at, 100 * at))
  expect(dispatchesOf(decoding)).toEqual(["rotate 16 x 10", "append 16 x 2", "attend 24 x 32", "merge 16 x 8"])
  expect(dispatchesOf([...decoding, slotAt(16, 64, 40)])).toEqual([
    "rotate 56 x 10",
    "append 16 x 2",
    "append 40 x 2",
    "attend 24 x 32",
    "merge 16 x 8",
    "attend 2 x 20",
    "merge 40 x 8",
  ])
})
