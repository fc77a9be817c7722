import { describe, expect, test } from "bun:test"
import type { GpuConstants } from "./GpuConstants.ts"
import type { GpuKernels } from "./GpuKernels.ts"
import type { GpuQueue } from "./GpuQueue.ts"
import { createPendingRows } from "./PendingRows.ts"
import { type RowsKind, rowsName } from "./rowsKernel.ts"

const [HIDDEN, BRANCH, NORMED, OTHER, VALUES, SCALES, WEIGHT] = [1, 2, 3, 4, 5, 6, 7]
const TARGET = { target: "int8", isRotated: true, stride: 64, buffers: [VALUES, SCALES] } as const
const BRANCH_ROWS = { out: HIDDEN, x: BRANCH, numRows: 3, width: 64, factors: undefined }
const NORM_ROWS = { out: NORMED, x: HIDDEN, numRows: 3, weight: new Float32Array(64), epsilon: 1 }

/** What is recorded: each kernel's name, and the buffers that it binds. */
function createRecorded() {
  const recorded: string[] = []
  const names: string[] = []
  const kernel = (name: string): number => names.push(name) - 1
  const queue: Pick<GpuQueue, "dispatch"> = {
    dispatch: (id, grid, _, buffers) => void recorded.push(`${names[id]} ×${grid.join("×")}: ${buffers.join()}`),
  }
  const kernels: Pick<GpuKernels, "rows" | "addScaled"> = {
    rows: (kind: RowsKind) => kernel(rowsName(kind)),
    addScaled: ({ hasFactors }) => kernel(`add ${hasFactors}`),
  }
  const constants = { take: () => WEIGHT }
  const pending = createPendingRows(queue as GpuQueue, kernels as GpuKernels, constants as unknown as GpuConstants)
  return { recorded, pending }
}

describe("createPendingRows", () => {
  test("a branch's sum, its norm and its form for a product are one kernel", () => {
    const { recorded, pending } = createRecorded()
    pending.add(BRANCH_ROWS)
    pending.norm(NORM_ROWS)
    expect(recorded).toEqual([])
    expect(pending.fuse(NORMED, 3, TARGET)).toBe(true)
    pending.flush()
    expect(recorded).toEqual(["normed true false int8 true ×3×1: 7,2,1,3,5,6"])
  })

  test("what does not follow is recorded by itself, in its order", () => {
    const { recorded, pending } = createRecorded()
    pending.add(BRANCH_ROWS)
    pending.norm({ ...NORM_ROWS, numRows: 2 })
    expect(recorded).toEqual(["add false ×1×3: 2,1"])
    expect(pending.fuse(OTHER, 2, TARGET) || pending.fuse(NORMED, 3, TARGET)).toBe(false)
    pending.norm({ ...NORM_ROWS, x: NORMED })
    expect(recorded.slice(1)).toEqual(["normed false false source false ×2×1: 7,1,3"])
    pending.add({ ...BRANCH_ROWS, factors: OTHER })
    pending.norm(NORM_ROWS)
    expect(recorded.slice(2)).toEqual(["normed false true source false ×3×1: 7,3", "add true ×1×3: 2,4,1"])
    pending.add(BRANCH_ROWS)
    pending.flush()
    expect(recorded.slice(4)).toEqual(["normed false false source false ×3×1: 7,1,3", "add false ×1×3: 2,1"])
  })

  test("what a lost device was to do is forgotten", () => {
    const { recorded, pending } = createRecorded()
    pending.add(BRANCH_ROWS)
    pending.norm(NORM_ROWS)
    pending.forget()
    pending.flush()
    expect(pending.fuse(NORMED, 3, TARGET)).toBe(false)
    expect(recorded).toEqual([])
  })
})
