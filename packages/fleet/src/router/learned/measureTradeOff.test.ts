import { expect, test } from "bun:test"
import { measureTradeOff, rankOfGain } from "./measureTradeOff.ts"

/** Logits of a cheap and a strong expert whose gains rise from one request to the next. */
const logits = Array.from({ length: 100 }, (_, i) => Float32Array.of(0, (i - 50) / 25))
const gainOf = (i: number): number => 1 / (1 + Math.exp(-(i - 50) / 25)) - 0.5
const tradeOff = measureTradeOff(
  logits,
  logits.map(() => ({ targets: Float32Array.of(1, 1) })),
  1,
)

test("rankOfGain: the part of the requests whose gain is less, 0 where the strong expert gains nothing", () => {
  for (const i of [60, 75, 90, 99]) expect(rankOfGain(gainOf(i), tradeOff)).toBeCloseTo(i / 100, 9)
  expect(rankOfGain(1, tradeOff)).toBe(1)
  expect([0, -0.5, -1].map((gain) => rankOfGain(gain, tradeOff))).toEqual([0, 0, 0])
  // Less than any that it was measured on.
  expect(rankOfGain(0.01, { thresholds: new Float32Array(101).fill(0.5) })).toBe(0)
})
