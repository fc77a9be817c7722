import { expect, test } from "bun:test"
import type { ExpertTable } from "./ExpertTable.ts"
import { createVersionHistory } from "./VersionHistory.ts"

const TABLE = {
  layers: [{ layer: 3, first: 0, numExperts: 2, numInstances: 4 }],
  layerOf: new Int32Array(4),
  expertIds: Int32Array.of(0, 1, 0, 1),
} as unknown as ExpertTable
const nameOf = (n: number): string => `3-1-${String(n).padStart(16, "0")}`

test("createVersionHistory: the eight versions before the active one are remembered, no more", () => {
  const history = createVersionHistory(TABLE)
  for (let n = 0; n < 9; n++) history.remember([1], n === 0 ? new Map() : new Map([[1, nameOf(n)]]))
  const last = [1, 2, 3, 4, 5, 6, 7, 8].map(nameOf)
  expect(history.list()).toEqual([{ layer: 3, expert: 1, versions: last }])
  const next = createVersionHistory(TABLE)
  next.restore([{ layer: 3, expert: 1, versions: [null, ...last] }])
  expect(next.list()).toEqual(history.list())
})

test("createVersionHistory: nothing to go back to is no history, whoever says so", () => {
  const history = createVersionHistory(TABLE)
  history.restore([{ layer: 3, expert: 0, versions: [] }])
  expect(history.list()).toEqual([])
  expect(history.previous(new Set()).size).toBe(0)
  expect(() => history.previous(new Set([0]))).toThrow("layer 3 expert 0: it has no version before the active one")
})
