/** Routing by load on the embedded model: what it gains, what it costs, and that it says so. */
import { afterAll, beforeAll, expect, test } from "bun:test"
import { rmSync } from "node:fs"
import { cacheDir, type Opened, prepareMini, runPrompt, withModel } from "../../test/openMini.ts"

beforeAll(prepareMini)
afterAll(() => rmSync(cacheDir, { recursive: true, force: true }))

const residencyOf = (opened: Opened) => opened.experts!.report().residency

test("exact routing drifts nowhere", () =>
  withModel({ numAwake: 48 }, (opened) => {
    runPrompt(opened)
    expect(residencyOf(opened)).toMatchObject({ routing: "exact", drift: { kl: 0, moved: 0 } })
  }))

test("balanced routing evens out the load, and shows how far it went for it", () => {
  const imbalanceAfter = (routing: "exact" | "balanced") =>
    withModel({ numAwake: 48, options: { routing } }, (opened) => {
      for (let round = 0; round < 40; round++) runPrompt(opened, 2)
      const { imbalance, drift } = residencyOf(opened)
      return { imbalance, drift }
    })
  const [exact, balanced] = [imbalanceAfter("exact"), imbalanceAfter("balanced")]
  expect(balanced.imbalance).toBeLessThan(exact.imbalance)
  expect(balanced.drift.kl).toBeGreaterThan(0)
  expect(balanced.drift.moved).toBeGreaterThan(0)
})

test("routing round sleepers wakes nobody, and says whose place was taken", () =>
  withModel({ numAwake: 48, options: { routing: "awake" } }, (opened) => {
    runPrompt(opened, 0)
    opened.experts!.control({ kind: "scale", awakePerLayer: 4, replicasPerLayer: 0 })
    const { numWoken } = residencyOf(opened)
    const { rungs } = runPrompt(opened, 3)
    expect(residencyOf(opened).numWoken).toBe(numWoken)
    expect(rungs.length).toBeGreaterThan(0)
    for (const { rung } of rungs) expect(rung).toBe("asleep")
    // Fewer awake than a token visits: then sleepers are woken after all.
    opened.experts!.control({ kind: "scale", awakePerLayer: 1, replicasPerLayer: 0 })
    runPrompt(opened, 1)
    expect(residencyOf(opened).numWoken).toBeGreaterThan(numWoken)
  }))
