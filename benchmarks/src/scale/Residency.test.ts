import { describe, expect, test } from "bun:test"
import { EXPERT_GIB, oracleCost, Residency, WAKE_MS } from "./Residency.ts"

const HOUR_MS = 3_600_000
const request = (atMs: number, durationMs = 1000) => ({ atMs, durationMs, topic: 0 })

describe("Residency", () => {
  test("a request waits for each expert that sleeps, one after another, and not for those that are awake", () => {
    const residency = new Residency(HOUR_MS)
    residency.use(request(0), Int32Array.of(1, 2, 3))
    residency.use(request(10_000), Int32Array.of(2, 3))
    residency.use(request(20_000), Int32Array.of(3, 4))
    expect(residency.cost(20_000)).toMatchObject({ numWaits: 2, waitSec: (4 * WAKE_MS) / 1000 })
  })

  test("an expert is awake from its reading until its idle time after its last use is over", () => {
    const residency = new Residency(HOUR_MS)
    residency.use(request(0, 1000), Int32Array.of(1))
    expect(residency.cost(5 * HOUR_MS).gibHours / EXPERT_GIB).toBeCloseTo(1 + (WAKE_MS + 1000) / HOUR_MS, 9)
  })

  test("a kept expert stays awake, and one that was woken ahead is not waited for, or only for what is left", () => {
    const residency = new Residency(Number.POSITIVE_INFINITY)
    residency.keep([1, 2], 0)
    residency.use(request(WAKE_MS / 4), Int32Array.of(1))
    residency.use(request(HOUR_MS), Int32Array.of(1, 2))
    residency.keep([], 2 * HOUR_MS)
    const { numWaits, waitSec, gibHours } = residency.cost(9 * HOUR_MS)
    expect(numWaits).toBe(1)
    expect(waitSec).toBeCloseTo((0.75 * WAKE_MS) / 1000, 9)
    expect(gibHours / EXPERT_GIB).toBeCloseTo(4, 9)
  })

  test("a plan wakes one expert after another, and lets none sleep that is in use", () => {
    const residency = new Residency(Number.POSITIVE_INFINITY)
    residency.keep([1, 2, 3], 0)
    residency.use(request(0, HOUR_MS), Int32Array.of(2))
    residency.keep([], HOUR_MS / 2)
    const { waitSec, gibHours } = residency.cost(HOUR_MS / 2)
    expect(waitSec).toBeCloseTo((2 * WAKE_MS) / 1000, 9)
    expect(gibHours / EXPERT_GIB).toBeCloseTo(1.5, 9)
    residency.keep([], 2 * HOUR_MS)
    expect(residency.cost(9 * HOUR_MS).gibHours / EXPERT_GIB).toBeCloseTo(3, 9)
  })

  test("what it cost up to a time may be asked before the end", () => {
    const residency = new Residency(HOUR_MS)
    residency.use(request(0), Int32Array.of(1))
    const [early, late] = [HOUR_MS / 2, HOUR_MS].map((ms) => residency.cost(ms).gibHours / EXPERT_GIB)
    expect(early).toBeCloseTo(0.5, 9)
    expect(late).toBeCloseTo(1, 9)
  })

  test("who knows the future never waits, and holds an expert only while it is used or read", () => {
    const { numWaits, gibHours } = oracleCost([request(HOUR_MS), request(2 * HOUR_MS)], [Int32Array.of(5)])
    expect(numWaits).toBe(0)
    expect((gibHours / EXPERT_GIB) * HOUR_MS).toBeCloseTo(2 * (1000 + WAKE_MS), 3)
  })
})
