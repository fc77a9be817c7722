import { createArena } from "@consilium/kernels"
import { expect, test } from "bun:test"
import { shortlistRowsPlain } from "./shortlistRowsPlain.ts"

test("shortlistRowsPlain: the largest, best first, ties to the lower index, of each row by itself", () => {
  const arena = createArena()
  const [logits, out] = [arena.rows(2, 7), arena.rows(2, 6)]
  logits.values.set([1, 5, 3, 5, -2, 3, 0, -1, -2, -3, -4, -5, -6, -7])
  shortlistRowsPlain(out, logits, 2)
  expect([...out.values]).toEqual([5, 5, 3, 1, 3, 2, -1, -2, -3, 0, 1, 2])
  arena.close()
})

test("shortlistRowsPlain: a NaN comes before all, wherever it is, as on the device: who samples sees it", () => {
  const arena = createArena()
  const [logits, out] = [arena.rows(1, 7), arena.rows(1, 6)]
  for (const at of [0, 1, 5, 6]) {
    logits.values.set([1, 5, 3, 5, Number.POSITIVE_INFINITY, 3, 0])
    logits.values[at] = Number.NaN
    shortlistRowsPlain(out, logits, 1)
    expect([out.values[0], out.values[3]]).toEqual([Number.NaN, at])
  }
  arena.close()
})
