/** Versions of the embedded model's experts that come and go in one process; through the service they are tested in the API. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { openCheckpoint, packExpertInWorker, writeSafetensors } from "@consilium/model"
import { miniModelDir } from "@consilium/testing"
import { rmSync } from "node:fs"
import { join } from "node:path"
import { NOTHING_DESIRED } from "../control.ts"
import { ExpertFault } from "./ExpertFault.ts"
import { STATE } from "./ExpertTable.ts"
import { cacheDir, type Opened, preparedDir, prepareMini, runPrompt, withModel } from "../../test/openMini.ts"

const LAYER = 2
const EXPERT = 5
/** By factor of its weights: a version of the expert. */
const names = new Map<number, string>()

beforeAll(async () => {
  await prepareMini()
  for (const factor of [1, 2, 3, 4]) names.set(factor, await packScaled(factor))
})
afterAll(() => rmSync(cacheDir, { recursive: true, force: true }))

/** Packs the expert with its down projection scaled. */
async function packScaled(factor: number): Promise<string> {
  const checkpoint = openCheckpoint(miniModelDir())
  const tensors = ["gate_proj", "up_proj", "down_proj"].map((part) => {
    const stored = `model.layers.${LAYER}.mlp.experts.${EXPERT}.${part}.weight`
    const shape = checkpoint.shape(stored)
    const scale = part === "down_proj" ? factor : 1
    const values = checkpoint.readTensor(stored, shape).map((value) => value * scale)
    return { name: `${part}.weight`, shape: [...shape], values }
  })
  checkpoint.close()
  const source = join(cacheDir, `scaled-${factor}.safetensors`)
  writeSafetensors(source, tensors)
  const formats = { format: "int8", denseFormat: "int8" } as const
  return packExpertInWorker({ sourceDir: miniModelDir(), preparedDir, formats, source, layer: LAYER, expert: EXPERT })
}

/** Swaps a version in; all rows run it from then on. Returns their epoch. */
function swapIn({ experts }: Opened, factor: number): number {
  const { versions, store } = experts!
  const name = names.get(factor)!
  void versions.swap([name], undefined, "keep")
  for (versions.settle(); store.table.states.includes(STATE.waking); versions.settle()) store.residency.waitForNext()
  expect(versions.report().versions).toContain(name)
  const epoch = versions.enter("all rows")
  versions.setRows(0, 80, epoch)
  return epoch
}

describe("ExpertVersions", () => {
  test("an expert whose file is damaged for good is replaced by a version that is not, and runs again", () => {
    const { logits } = withModel({ numAwake: 48 }, (opened) => runPrompt(opened))
    withModel({ numAwake: 4, damage: { layer: LAYER, expert: EXPERT } }, (opened) => {
      expect(runPrompt(opened).rungs).toEqual([{ layer: LAYER, expertId: EXPERT, rung: "reroute" }])
      swapIn(opened, 1)
      const replaced = runPrompt(opened)
      expect(replaced.rungs).toEqual([])
      expect(replaced.logits).toEqual(logits)
    })
  })

  test("a rollback that one expert has no earlier version for changes nothing for the others", () =>
    withModel({ numAwake: 48 }, (opened) => {
      const { versions } = opened.experts!
      swapIn(opened, 2)
      const both = [
        { layer: LAYER, expert: EXPERT },
        { layer: LAYER, expert: 0 },
      ]
      expect(() => versions.rollback(both, "keep")).toThrow(`layer ${LAYER} expert 0: it has no version before`)
      expect(versions.report().versions).toEqual([names.get(2)!])
      expect(versions.rollback(both.slice(0, 1), "keep").versions).toEqual([])
    }))

  test("the next engine goes back to the version before, as this one would have", () => {
    const [v2, v3] = [names.get(2)!, names.get(3)!]
    const report = withModel({ numAwake: 60 }, (opened) => {
      for (const factor of [2, 3]) opened.experts!.versions.leave(swapIn(opened, factor), 0)
      return opened.experts!.versions.report()
    })
    expect(report).toEqual({
      versions: [v3],
      earlier: [{ layer: LAYER, expert: EXPERT, versions: [null, v2] }],
      canary: null,
    })
    const strangers = [
      { layer: 99, expert: EXPERT, versions: [null] },
      { layer: LAYER, expert: 0, versions: [v2] },
    ]
    withModel({ numAwake: 60 }, (opened) => {
      const { desire, versions } = opened.experts!
      desire({ ...NOTHING_DESIRED, ...report, earlier: [...strangers, ...report.earlier] })
      expect(versions.report()).toEqual(report)
      expect(versions.rollback([], "keep").versions).toEqual([v2])
      expect(versions.rollback([], "keep")).toEqual({ versions: [], earlier: [], canary: null })
      expect(() => versions.rollback([{ layer: LAYER, expert: EXPERT }], "keep")).toThrow("no version before")
      expect(() => versions.rollback([{ layer: LAYER, expert: 99 }], "keep")).toThrow("no such expert")
    })
  })

  test("a version that comes to another's place has no past: what was noted of the other is forgotten", () => {
    const clock = { ms: 1_000_000 }
    withModel({ numAwake: 60, options: { nowMs: () => clock.ms } }, (opened) => {
      const { store, health, versions, tend, report } = opened.experts!
      const stateOf = (factor: number): string | undefined =>
        report().experts.find(({ version }) => version === names.get(factor))?.state
      runPrompt(opened)
      let epoch: number | undefined
      for (const factor of [2, 3, 4]) {
        const next = swapIn(opened, factor)
        if (epoch !== undefined) versions.leave(epoch, 0)
        epoch = next
        runPrompt(opened)
        // Verified, and its output recorded.
        for (let turn = 0; turn < 60; turn++) tend()
      }
      const { first, numExperts } = store.table.layers[LAYER]!
      const place = Array.from({ length: 8 }, (_, k) => numExperts + k).find(
        (k) => versions.nameOf(first + k) === names.get(4),
      )!
      // It is the place that the first version had.
      expect(place).toBe(numExperts)
      for (let time = 0; time < 2; time++) health.climb(new ExpertFault("throw", LAYER, place, "it threw"))
      runPrompt(opened)
      expect(stateOf(4)).toBe("failed")
      clock.ms += 60_000
      tend()
      expect(stateOf(4)).toBe("awake")
    })
  })
})
