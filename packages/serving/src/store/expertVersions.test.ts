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
/** Finite weights, whose products are not. */
const HUGE = 1e37
/** By factor of its weights: a version of the expert. */
const names = new Map<number, string>()

beforeAll(async () => {
  await prepareMini()
  for (const factor of [1, 2, 3, 4, HUGE]) names.set(factor, await packScaled(factor))
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

/** Asks for a version, and settles until all reads are done. */
function askFor({ experts }: Opened, factor: number, share?: number, running: "keep" | "move" = "keep") {
  const { versions, store } = experts!
  const swapped = versions.swap([names.get(factor)!], share, running)
  for (versions.settle(); store.table.states.includes(STATE.waking); versions.settle()) store.residency.waitForNext()
  return swapped
}

/** Swaps a version in; all rows run it from then on. Returns their epoch. */
function swapIn(opened: Opened, factor: number): number {
  const { versions } = opened.experts!
  const name = names.get(factor)!
  void askFor(opened, factor)
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

  test("a version stays awake until the last request that began with it leaves, then its place is free", () =>
    withModel({ numAwake: 60 }, (opened) => {
      const { versions, store, report } = opened.experts!
      const place = store.table.layers[LAYER]!.first + store.table.layers[LAYER]!.numExperts
      const epoch = swapIn(opened, 2)
      versions.join(epoch)
      const { logits } = runPrompt(opened, 1)
      versions.rollback([], "keep")
      expect(versions.isDraining(place)).toBe(true)
      expect(report().experts.find(({ version }) => version === names.get(2))?.state).toBe("draining")
      // Its users compute with it still.
      expect(runPrompt(opened, 1).logits).toEqual(logits)
      versions.leave(epoch, 3)
      expect(store.table.states[place]).toBe(STATE.awake)
      versions.leave(epoch, 4)
      expect([store.table.states[place], store.table.files[place]]).toEqual([STATE.asleep, undefined])
      expect(report().experts.every(({ version }) => version === "original")).toBe(true)
    }))

  test("the original that nobody runs beside a version falls asleep, and wakes for a rollback", () =>
    withModel({ numAwake: 60 }, (opened) => {
      const { versions, store } = opened.experts!
      const original = store.table.layers[LAYER]!.first + EXPERT
      const { logits } = runPrompt(opened, 2)
      const before = versions.enter("before")
      const after = swapIn(opened, 2)
      expect(store.table.states[original]).toBe(STATE.awake)
      versions.leave(before, 0)
      expect(store.table.states[original]).toBe(STATE.asleep)
      expect(runPrompt(opened, 2).logits).not.toEqual(logits)
      versions.rollback([], "keep")
      versions.setRows(0, 80, versions.enter("again"))
      expect(runPrompt(opened, 2).logits).toEqual(logits)
      versions.leave(after, 0)
    }))

  test("running requests are told to move once, and only where that was asked", () =>
    withModel({ numAwake: 60 }, (opened) => {
      const { versions } = opened.experts!
      void askFor(opened, 2, undefined, "keep")
      expect(versions.takeMove()).toBeUndefined()
      void askFor(opened, 3, undefined, "move")
      const epoch = versions.enter("new")
      expect([versions.takeMove(), versions.takeMove()]).toEqual([epoch, undefined])
      versions.rollback([], "move")
      expect([versions.takeMove(), versions.takeMove()]).toEqual([versions.enter("newer"), undefined])
    }))

  test("a version whose output is not finite is refused, and the old one serves on", async () => {
    const refused = withModel({ numAwake: 60 }, (opened) => {
      const { versions, store } = opened.experts!
      const { logits } = runPrompt(opened, 2)
      const swapped = askFor(opened, HUGE)
      expect(versions.report()).toMatchObject({ versions: [], canary: null })
      const { first, numExperts, numInstances } = store.table.layers[LAYER]!
      const places = store.table.files.slice(first + numExperts, first + numInstances)
      expect(places.every((file) => file === undefined)).toBe(true)
      versions.setRows(0, 80, versions.enter("still"))
      expect(runPrompt(opened, 2).logits).toEqual(logits)
      return swapped
    })
    await expect(refused).rejects.toThrow(`${names.get(HUGE)!}: its output is not finite`)
  })

  test("a share of 0 serves nobody but who judges it, a share of 1 everybody", () => {
    for (const share of [0, 1]) {
      withModel({ numAwake: 60 }, (opened) => {
        const { versions } = opened.experts!
        const active = versions.enter("before")
        void askFor(opened, 2, share)
        const epochs = new Set(Array.from({ length: 50 }, (_, i) => versions.enter(`request ${i}`)))
        const judged = versions.enter("canary:check")
        expect(epochs.size).toBe(1)
        expect(epochs.has(active)).toBe(share === 0)
        expect(judged).not.toBe(active)
        expect(versions.report().canary).toMatchObject({
          versions: [names.get(2)],
          share,
          numRequests: share === 0 ? 1 : 51,
          numOtherRequests: share === 0 ? 50 : 0,
        })
      })
    }
  })

  test("a share in between is of the requests, the same ones each time, and tokens are counted with their requests", () =>
    withModel({ numAwake: 60 }, (opened) => {
      const { versions } = opened.experts!
      const before = versions.enter("before")
      versions.leave(before, 1000)
      void askFor(opened, 2, 0.25)
      const enterAll = (): number[] => Array.from({ length: 400 }, (_, i) => versions.enter(`request ${i}`))
      const epochs = enterAll()
      expect(enterAll()).toEqual(epochs)
      const numCanary = epochs.filter((epoch) => epoch !== before).length
      expect(numCanary).toBeWithin(70, 130)
      for (const epoch of epochs) versions.leave(epoch, epoch === before ? 2 : 3)
      // What was before it began does not count.
      expect(versions.report().canary).toMatchObject({
        numRequests: 2 * numCanary,
        numTokens: 3 * numCanary,
        numOtherRequests: 2 * (400 - numCanary),
        numOtherTokens: 2 * (400 - numCanary),
      })
    }))

  test("a canary that is accepted is everybody's and can be rolled back; one that is rejected is gone", async () => {
    const refused = withModel({ numAwake: 60 }, (opened) => {
      const { versions, store } = opened.experts!
      expect(() => versions.endCanary(true)).toThrow("there is no canary")
      void askFor(opened, 2, 0.5)
      const another = versions.swap([names.get(3)!], undefined, "keep")
      expect(versions.endCanary(false)).toMatchObject({ versions: [], canary: null })
      expect(versions.rollback([], "keep").versions).toEqual([])
      void askFor(opened, 3, 0)
      expect(versions.endCanary(true)).toMatchObject({ versions: [names.get(3)!], canary: null })
      expect(versions.rollback([], "keep").versions).toEqual([])
      const { first, numExperts } = store.table.layers[LAYER]!
      expect(store.table.files[first + numExperts]).toBeUndefined()
      return another
    })
    await expect(refused).rejects.toThrow("a canary is served")
  })

  test("an expert that was swapped twice goes back twice, and no further", () =>
    withModel({ numAwake: 60 }, (opened) => {
      const { versions } = opened.experts!
      const place = [{ layer: LAYER, expert: EXPERT }]
      const { logits } = runPrompt(opened, 1)
      const second = swapIn(opened, 2)
      const twice = runPrompt(opened, 1).logits
      versions.leave(second, 0)
      swapIn(opened, 3)
      expect(runPrompt(opened, 1).logits).not.toEqual(twice)
      expect(versions.rollback(place, "keep").versions).toEqual([names.get(2)!])
      versions.setRows(0, 80, versions.enter("second"))
      expect(runPrompt(opened, 1).logits).toEqual(twice)
      expect(versions.rollback(place, "keep").versions).toEqual([])
      versions.setRows(0, 80, versions.enter("first"))
      expect(runPrompt(opened, 1).logits).toEqual(logits)
      expect(() => versions.rollback(place, "keep")).toThrow("it has no version before the active one")
    }))

  test("all rows of a step run one instance of an expert where their epochs agree on it, and none where they do not", () =>
    withModel({ numAwake: 48 }, (opened) => {
      const { versions, store } = opened.experts!
      const layer = store.table.layers.find((of) => of.layer === LAYER)!
      const before = versions.enter("before")
      const original = layer.first + EXPERT
      versions.setRows(0, 3, before)
      expect(versions.instanceFor(layer, EXPERT, 3)).toBe(original)
      const after = swapIn(opened, 2)
      const version = versions.activeOf(original)
      expect(version).not.toBe(original)
      expect(versions.instanceFor(layer, EXPERT, 3)).toBe(version)
      versions.setRows(1, 1, before)
      expect(versions.instanceFor(layer, EXPERT, 3)).toBeUndefined()
      expect(versions.instanceFor(layer, EXPERT, 1)).toBe(version)
      expect(versions.instanceFor(layer, EXPERT + 1, 3)).toBe(original + 1)
      versions.setRows(1, 1, after)
      expect(versions.instanceFor(layer, EXPERT, 3)).toBe(version)
    }))
})
