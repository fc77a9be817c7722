import type { Slab } from "@consilium/kernels"
import { expect, test } from "bun:test"
import { createExpertLoad } from "./ExpertLoad.ts"
import type { ExpertTable } from "./ExpertTable.ts"

/** Four experts of one layer, and a place for another version of expert 1. */
const layer = { layer: 0, first: 0, numExperts: 4, numInstances: 5 }
const table = { numInstances: 5, layers: [layer], expertIds: Int32Array.of(0, 1, 2, 3, 1) } as unknown as ExpertTable
const slab = {} as Slab
const MINUTE_MS = 60_000

function openLoad() {
  const clock = { nowMs: 1_000_000, ms: 0 }
  const load = createExpertLoad(
    table,
    () => clock.nowMs,
    () => clock.ms,
  )
  /** Runs experts over so many rows, in one turn. */
  const run = (numRows: readonly number[], tookMs: number): void => {
    const offsets = Int32Array.of(0, ...numRows)
    for (let e = 0; e < numRows.length; e++) offsets[e + 1]! += offsets[e]!
    load.observe(layer, offsets)
    load.beginTurn()
    clock.ms += tookMs
    load.endTurn(
      layer,
      numRows.map((rows) => (rows > 0 ? slab : undefined)),
      offsets,
    )
  }
  return { clock, load, run }
}

test("ExpertLoad: a turn's time is shared out by reading each expert once and by its rows", () => {
  const { load, run } = openLoad()
  run([0, 32, 96, 0, 0], 60)
  const shares = [0, 1, 2, 3].map((instance) => load.timeShare(instance) * MINUTE_MS)
  expect(shares[0]).toBe(0)
  // 32 + 32 of 192, 32 + 96 of 192.
  expect(shares[1]).toBeCloseTo(20, 9)
  expect(shares[2]).toBeCloseTo(40, 9)
  expect(shares[3]).toBe(0)
})

test("ExpertLoad: what is between turns is no expert's time", () => {
  const { clock, load, run } = openLoad()
  run([8, 0, 0, 0, 0], 5)
  clock.ms += 1000
  run([8, 0, 0, 0, 0], 5)
  expect(load.timeShare(0) * MINUTE_MS).toBeCloseTo(10, 9)
})

test("ExpertLoad: tokens and time are forgotten alike, to a part in e after a minute", () => {
  const { clock, load, run } = openLoad()
  run([60, 0, 0, 0, 0], 600)
  expect(load.tokensPerSec(0)).toBeCloseTo(1, 9)
  expect(load.timeShare(0)).toBeCloseTo(0.01, 9)
  clock.nowMs += MINUTE_MS
  expect(load.tokensPerSec(0)).toBeCloseTo(Math.exp(-1), 9)
  expect(load.timeShare(0)).toBeCloseTo(0.01 * Math.exp(-1), 9)
  run([60, 0, 0, 0, 0], 600)
  expect(load.timeShare(0)).toBeCloseTo(0.01 * (1 + Math.exp(-1)), 9)
})

test("ExpertLoad: the share is of time that passes: an expert that always computes has all of it", () => {
  const { clock, load, run } = openLoad()
  for (let second = 0; second < 600; second++) {
    run([1, 0, 0, 0, 0], 1000)
    clock.nowMs += 1000
  }
  expect(load.timeShare(0)).toBeCloseTo(1, 1)
})

test("ExpertLoad: imbalance counts a version with its expert", () => {
  const { load, run } = openLoad()
  expect(load.worstImbalance()).toBe(1)
  run([10, 10, 10, 10, 0], 1)
  expect(load.worstImbalance()).toBe(1)
  run([0, 0, 0, 0, 40], 1)
  expect(load.worstImbalance()).toBeCloseTo((50 * 4) / 80, 9)
})
