import { expect, test } from "bun:test"
import { takePairs } from "./countParts.ts"

const GROUP_BYTES = 16 * 1024

/** Pairs of each task of a matrix, one after the other. */
function cut(numHosts: number, numPairs: number, numRows: number): number[] {
  const tasks: number[] = []
  for (let left = numPairs; left > 0; left -= tasks.at(-1)!)
    tasks.push(takePairs(numHosts, GROUP_BYTES, left, left * 2 * GROUP_BYTES, numRows))
  return tasks
}

test("takePairs: tasks become smaller, none is below 64 KiB of weights but what is left at the end, and all pairs are taken", () => {
  const tasks = cut(2, 256, 1)
  expect(tasks.reduce((sum, pairs) => sum + pairs, 0)).toBe(256)
  expect(tasks).toEqual(tasks.toSorted((a, b) => b - a))
  expect(tasks[0]).toBe(32)
  expect(Math.min(...tasks.slice(0, -1))).toBe(2)
})

test("takePairs: many rows are worth tasks of fewer weights; one host takes all at once", () => {
  expect(Math.min(...cut(2, 64, 16))).toBe(1)
  expect(cut(1, 256, 1)).toEqual([256])
})
