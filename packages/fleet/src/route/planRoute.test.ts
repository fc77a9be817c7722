import { describe, expect, test } from "bun:test"
import fc from "fast-check"
import { type ExpertPressure, planRoute } from "./planRoute.ts"

const FREE: ExpertPressure = { queueShare: 0, latencyMs: 0, costUsd: 0, unavailable: undefined }
const orderOf = (base: number[], pressures: Partial<ExpertPressure>[] = []) =>
  planRoute(
    Float32Array.from(base),
    base.map((_, e) => ({ ...FREE, ...pressures[e] })),
  ).order

describe("planRoute", () => {
  test("best first, ties to the lower place", () => {
    expect(orderOf([0.1, 0.9, 0.5])).toEqual([1, 2, 0])
    expect(orderOf([0.5, 0.5])).toEqual([0, 1])
  })

  test("load decides among those that suit alike, and does not send a request to who does not suit", () => {
    expect(orderOf([0.8, 0.75], [{ queueShare: 1 }])).toEqual([1, 0])
    expect(orderOf([0.8, 0.75], [{ latencyMs: 10_000 }])).toEqual([1, 0])
    expect(orderOf([0.8, 0.79], [{ costUsd: 0.02 }, { costUsd: 0.001 }])).toEqual([1, 0])
    expect(orderOf([0.8, 0.1], [{ queueShare: 9, latencyMs: 1e9, costUsd: 1 }])).toEqual([0, 1])
  })

  test("who cannot be asked is not in the order, and nobody may be left", () => {
    expect(orderOf([0.9, 0.1], [{ unavailable: "cooling down" }])).toEqual([1])
    expect(orderOf([0.9], [{ unavailable: "busy" }])).toEqual([])
  })

  test("whatever the load: the order is of those that can be asked, each once, and more load never raises a place", () => {
    const pressure = fc.record({
      queueShare: fc.double({ min: 0, max: 4, noNaN: true }),
      latencyMs: fc.double({ min: 0, max: 1e6, noNaN: true }),
      costUsd: fc.constant(0),
      unavailable: fc.constantFrom(undefined, undefined, "busy"),
    })
    const arb = fc.array(fc.tuple(fc.float({ min: 0, max: 2, noNaN: true }), pressure), { minLength: 1, maxLength: 8 })
    fc.assert(
      fc.property(arb, (experts) => {
        const base = experts.map(([score]) => score)
        const pressures = experts.map(([, own]) => own)
        const order = orderOf(base, pressures)
        const open = pressures.flatMap(({ unavailable }, e) => (unavailable === undefined ? [e] : []))
        expect([...order].sort((a, b) => a - b)).toEqual(open)
        if (open.length === 0) return
        const first = order[0]!
        const loaded = orderOf(
          base,
          pressures.map((own, e) => (e === first ? { ...own, queueShare: own.queueShare + 1 } : own)),
        )
        expect(loaded.indexOf(first)).toBeGreaterThanOrEqual(0)
        expect(loaded.filter((e) => e !== first)).toEqual(order.slice(1))
      }),
    )
  })
})
