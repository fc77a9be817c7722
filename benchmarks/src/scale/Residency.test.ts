import { describe, expect, test } from "bun:test"
import { EXPERT_GIB, oracleCost, Residency, WAKE_MS } from "./Residency.ts"
import { NUM_EXPERTS } from "./ScaleLoad.ts"

const HOUR_MS = 3_600_000
const request = (atMs: number, durationMs = 1000) => ({ atMs, durationMs, topic: 0 })
const keeping = (...experts: number[]): Uint8Array =>
  Uint8Array.from({ length: NUM_EXPERTS }, (_, e) => (experts.includes(e) ? 1 : 0))

describe("Residency", () => {
  test("a request waits for each expert that sleeps, one after another, and not for those that are awake", () => {
    const residency = new Residency(HOUR_MS)
    residency.use(request(0), Int32Array.of(1, 2, 3))
    residency.use(request(10_000), Int32Array.of(2, 3))
    residency.use(request(20_000), Int32Array.of(3, 4))
    expect(residency.end(20_000)).toMatchObject({ numWaits: 2, waitSec: (4 * WAKE_MS) / 1000 })
  })

  test("an expert is awake from its reading until its idle time after its last use is over", () => {
    const residency = new Residency(HOUR_MS)
    residency.use(request(0, 1000), Int32Array.of(1))
    expect(residency.end(5 * HOUR_MS).gibHours / EXPERT_GIB).toBeCloseTo(1 + (WAKE_MS + 1000) / HOUR_MS, 9)
  })

  test("a kept expert stays awake, and one that was woken ahead is not waited for, or only for what is left", () => {
    const residency = new Residency(0)
    residency.keep(keeping(1, 2), 0)
    residency.use(request(WAKE_MS / 4), Int32Array.of(1))
    residency.use(request(HOUR_MS), Int32Array.of(1, 2))
    residency.keep(keeping(), 2 * HOUR_MS)
    const { numWaits, waitSec, gibHours } = residency.end(9 * HOUR_MS)
    expect(numWaits).toBe(1)
    expect(waitSec).toBeCloseTo((0.75 * WAKE_MS) / 1000, 9)
    expect(gibHours / EXPERT_GIB).toBeCloseTo(4, 9)
  })

  test("who knows the future never waits, and holds an expert only while it is used or read", () => {
    const { numWaits, gibHours } = oracleCost([request(HOUR_MS), request(2 * HOUR_MS)], [Int32Array.of(5)])
    expect(numWaits).toBe(0)
    expect((gibHours / EXPERT_GIB) * HOUR_MS).toBeCloseTo(2 * (1000 + WAKE_MS), 3)
  })
})
