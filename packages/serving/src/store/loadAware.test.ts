/** Routing by load on the embedded model: what it gains, what it costs, and that it says so. */
import type { StepBatch } from "@consilium/model"
import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { rmSync } from "node:fs"
import { BACKENDS, cacheDir, type Opened, prepareMini, PROMPT, runPrompt, withModel } from "../../test/openMini.ts"
import type { Balance } from "../control.ts"

beforeAll(prepareMini)
afterAll(() => rmSync(cacheDir, { recursive: true, force: true }))

const residencyOf = (opened: Opened) => opened.experts!.report().residency
const NOTHING: Balance = { mode: "balanced", biasRate: 0, routerNoise: 0, capacityFactor: null }

test("exact routing drifts nowhere", () =>
  withModel({ numAwake: 48 }, (opened) => {
    runPrompt(opened)
    const residency = residencyOf(opened)
    expect(residency).toMatchObject({ routing: "exact", drift: { kl: 0, moved: 0 } })
    expect(residency.plainImbalance).toBe(residency.imbalance)
  }))

test("experts that had tokens had time, no others, and all of them together no more than passed", () =>
  withModel({ numAwake: 48 }, (opened) => {
    const startMs = performance.now()
    runPrompt(opened, 0)
    const tookMs = performance.now() - startMs
    const { experts } = opened.experts!.report()
    for (const { load, timeShare } of experts) expect(timeShare > 0).toBe(load > 0)
    expect(experts.reduce((sum, { timeShare }) => sum + timeShare, 0) * 60_000).toBeLessThan(tookMs)
  }))

describe("balanced routing", () => {
  test.each([
    ["a bias", { biasRate: 0.001 }],
    ["noise", { routerNoise: 1 }],
    ["a capacity", { capacityFactor: 1.1 }],
  ])("by %s alone evens out the load, and shows how far it went for it", (_, means) =>
    withModel({ numAwake: 48, options: { routing: { ...NOTHING, ...means } } }, (opened) => {
      for (let round = 0; round < 40; round++) runPrompt(opened, 2)
      const { imbalance, plainImbalance, drift } = residencyOf(opened)
      expect(imbalance).toBeLessThan(plainImbalance)
      expect(drift.kl).toBeGreaterThan(0)
      expect(drift.moved).toBeGreaterThan(0)
      expect(drift.moved).toBeLessThan(0.5)
    }),
  )

  test("by nothing is the router's own, and compares so", () =>
    withModel({ numAwake: 48, options: { routing: NOTHING, nowMs: () => 1e12 } }, (opened) => {
      const { logits } = runPrompt(opened)
      const { imbalance, plainImbalance, drift } = residencyOf(opened)
      expect(drift).toEqual({ kl: 0, moved: 0 })
      expect(imbalance).toBe(plainImbalance)
      expect(logits).toEqual(withModel({ numAwake: 48 }, (exact) => runPrompt(exact).logits))
    }))

  test("a capacity bounds the rows of each expert in a step, also where one has failed, and drops no token's last expert", () => {
    const damage = { layer: 2, expert: 3 }
    withModel({ numAwake: 40, damage, options: { routing: { ...NOTHING, capacityFactor: 1 } } }, (opened) => {
      const { rungs } = runPrompt(opened, 0)
      expect(rungs).toContainEqual({ layer: 2, expertId: 3, rung: "reroute" })
      opened.transformer.config.layers.forEach(({ feedForward }, layer) => {
        if (feedForward.kind !== "moe") return
        const { numTokens, topK, expertIds } = opened.transformer.routing(layer)!
        const counts = new Uint32Array(feedForward.numExperts)
        for (const expertId of expertIds.subarray(0, numTokens * topK)) if (expertId >= 0) counts[expertId]!++
        const numLeft = feedForward.numExperts - (layer === damage.layer ? 1 : 0)
        expect(Math.max(...counts)).toBeLessThanOrEqual(Math.ceil((topK * numTokens) / numLeft))
        for (let t = 0; t < numTokens; t++)
          expect(Math.max(...expertIds.subarray(t * topK, (t + 1) * topK))).toBeGreaterThanOrEqual(0)
      })
    })
  })
})

describe("router noise", () => {
  const noisy = { numAwake: 48, options: { routing: { ...NOTHING, routerNoise: 1 } } }

  test("changes the text, and gives the same one in another engine", () => {
    const first = withModel(noisy, (opened) => runPrompt(opened).logits)
    expect(withModel(noisy, (opened) => runPrompt(opened).logits)).toEqual(first)
    expect(withModel({ numAwake: 48 }, (opened) => runPrompt(opened).logits)).not.toEqual(first)
  })

  test.each(BACKENDS)(
    "%s: what was decoded alone is the same when it is computed anew, in chunks and beside another",
    (backend) =>
      withModel({ ...noisy, backend }, (opened) => {
        const { transformer } = opened
        const { logits } = runPrompt(opened)
        const ids = [...PROMPT, ...logits.slice(0, -1).map((row) => row.indexOf(Math.max(...row)))]
        const firstRows = 30
        const run = (batch: StepBatch): void => transformer.run(batch)
        const slot = { slotId: 1, firstRow: 0, numRows: firstRows, pastLength: 0, wantsLogits: false }
        run({ numRows: firstRows, ids: Int32Array.from(ids.slice(0, firstRows)), slots: [slot] })
        // The other's row comes first, so that rows of the second chunk are not where they were.
        const numRows = ids.length - firstRows
        run({
          numRows: numRows + 1,
          ids: Int32Array.of(7, ...ids.slice(firstRows)),
          slots: [
            { slotId: 0, firstRow: 0, numRows: 1, pastLength: 5, wantsLogits: false },
            { slotId: 1, firstRow: 1, numRows, pastLength: firstRows, wantsLogits: true },
          ],
        })
        expect(transformer.logits(1)).toEqual(logits.at(-1)!)
      }),
  )
})

test("routing round sleepers wakes nobody, and says whose place was taken", () =>
  withModel({ numAwake: 48, options: { routing: { mode: "awake" } } }, (opened) => {
    runPrompt(opened, 0)
    opened.experts!.control({ kind: "scale", awakePerLayer: 4, replicasPerLayer: 0 })
    const { numWoken } = residencyOf(opened)
    const { rungs } = runPrompt(opened, 3)
    expect(residencyOf(opened).numWoken).toBe(numWoken)
    expect(rungs.length).toBeGreaterThan(0)
    for (const { rung } of rungs) expect(rung).toBe("asleep")
    // Fewer awake than a token visits: then sleepers are woken after all, and nobody's place is taken.
    opened.experts!.control({ kind: "scale", awakePerLayer: 1, replicasPerLayer: 0 })
    expect(runPrompt(opened, 1).rungs).toEqual([])
    expect(residencyOf(opened).numWoken).toBeGreaterThan(numWoken)
  }))
