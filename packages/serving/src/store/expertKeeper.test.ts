/** Experts of the embedded model that a plan keeps awake: ahead of use, within limits, and without a change of answers. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { rmSync } from "node:fs"
import { cacheDir, type Opened, prepareMini, runPrompt, withModel } from "../../test/openMini.ts"
import type { Keep } from "../control.ts"
import { instanceOf, STATE } from "./ExpertTable.ts"

beforeAll(prepareMini)
afterAll(() => rmSync(cacheDir, { recursive: true, force: true }))

const NUM_LAYERS = 6
const NUM_EXPERTS = 8
const MINUTE_MS = 60_000
const range = (length: number): number[] => [...Array.from({ length }).keys()]

/** Asks for experts of layers, all named by an event. */
const keep = (
  { experts }: Opened,
  layers: Readonly<Record<number, readonly number[]>>,
  twice: readonly number[] = [],
) =>
  experts!.control({
    kind: "keep",
    layers: Object.entries(layers).map(([layer, awake]): Keep["layers"][number] => {
      return { layer: Number(layer), awake, numNamed: awake.length, twice }
    }),
  })
/** Wakes as the engine does while nothing runs, until there is nothing more to read. */
function settleAll({ experts }: Opened): void {
  const { keeper, store } = experts!
  for (keeper.settle(); store.residency.numAhead > 0; keeper.settle()) store.residency.waitForNext()
}
const awakeIn = ({ experts }: Opened, layer: number): number[] => {
  const { table } = experts!.store
  return range(NUM_EXPERTS).filter((e) => table.states[instanceOf(table, layer, e)!] === STATE.awake)
}
const all = Object.fromEntries(range(NUM_LAYERS).map((layer) => [layer, range(NUM_EXPERTS)]))

/** Computes one token at the first position; returns who it needed, by layer. */
function runToken({ transformer }: Opened, id: number): number[][] {
  const slots = [{ slotId: 1, firstRow: 0, numRows: 1, pastLength: 0, wantsLogits: true }]
  transformer.run({ numRows: 1, ids: Int32Array.of(id), slots })
  return range(NUM_LAYERS).map((layer) => {
    const { expertIds, topK } = transformer.routing(layer)!
    return [...expertIds.subarray(0, topK)]
  })
}

describe("ExpertKeeper", () => {
  test("who an earlier plan kept, and this one does not, makes room for those that run", () => {
    const needed = withModel({ numAwake: 12 }, (opened) => runToken(opened, 5))
    const free = (layer: number): number[] => range(NUM_EXPERTS).filter((e) => !needed[layer]!.includes(e))
    const [former, present] = [free(3).slice(0, 2), free(5).slice(0, 1)]
    withModel({ numAwake: 12 }, (opened) => {
      void keep(opened, { 3: former })
      settleAll(opened)
      void keep(opened, { 5: present })
      settleAll(opened)
      expect(awakeIn(opened, 3)).toEqual(former)
      runToken(opened, 5)
      expect(awakeIn(opened, 5)).toContain(present[0]!)
      for (const expert of former) expect(awakeIn(opened, 3)).not.toContain(expert)
    })
  })

  test("a layer without experts is refused, before anything has changed; a second copy is only of who is kept", () =>
    withModel({ numAwake: 20 }, (opened) => {
      void keep(opened, { 3: [7] }, [6, 7])
      expect(() => keep(opened, { 99: [] })).toThrow("layer 99 has no experts")
      settleAll(opened)
      const { keeper, store } = opened.experts!
      expect(awakeIn(opened, 3)).toEqual([7])
      expect([6, 7].map((e) => keeper.copies(instanceOf(store.table, 3, e)!))).toEqual([0, 2])
    }))

  test("experts that sleep are awake after the command, before anybody used them, and answers stay", () => {
    const { logits } = withModel({}, runPrompt)
    withModel({ numAwake: 20 }, (opened) => {
      expect(awakeIn(opened, 3)).toEqual([])
      void keep(opened, { 3: [7, 2], 5: [0] })
      settleAll(opened)
      expect([awakeIn(opened, 3), awakeIn(opened, 5), awakeIn(opened, 0)]).toEqual([[2, 7], [0], []])
      expect(runPrompt(opened).logits).toEqual(logits)
    })
  })

  test("woken between the steps of a request, whatever the budget, they change no bit and hold no more than it", () => {
    const { logits } = withModel({}, runPrompt)
    for (const numAwake of [3, 20, 47]) {
      withModel({ numAwake }, (opened) => {
        const { store, keeper } = opened.experts!
        void keep(opened, all)
        for (let run = 0; run < 3; run++) {
          keeper.settle()
          expect(runPrompt(opened, 2).logits, `${numAwake} awake`).toEqual(logits.slice(0, 3))
          expect(store.residency.usedBytes).toBeLessThanOrEqual(numAwake * store.frameBytes)
        }
        settleAll(opened)
        expect(store.residency.usedBytes).toBeLessThanOrEqual(numAwake * store.frameBytes)
      })
    }
  })

  test("idle ones fall asleep but for those that are kept, until a plan does without them", () => {
    const clock = { ms: 10 * MINUTE_MS }
    withModel({ numAwake: 48, options: { idleMs: 5000, nowMs: () => clock.ms } }, (opened) => {
      void keep(opened, { 2: [1, 4] })
      settleAll(opened)
      clock.ms += 10 * MINUTE_MS
      opened.experts!.tend()
      expect(range(NUM_LAYERS).map((layer) => awakeIn(opened, layer))).toEqual([[], [], [1, 4], [], [], []])
      expect(opened.experts!.report().residency).toMatchObject({ numAwake: 2, numKept: 2 })
      void keep(opened, { 2: [4] })
      expect(awakeIn(opened, 2)).toEqual([4])
    })
  })

  test("in layers that a plan names, others sleep that nobody used for a minute; those that were used since stay", () => {
    const clock = { ms: 10 * MINUTE_MS }
    withModel({ numAwake: 48, options: { nowMs: () => clock.ms } }, (opened) => {
      const needed = runToken(opened, 5)
      void keep(opened, { 2: [] })
      expect(awakeIn(opened, 2)).toEqual(needed[2]!.toSorted())
      expect(awakeIn(opened, 3)).toEqual(range(NUM_EXPERTS))
      clock.ms += MINUTE_MS
      void keep(opened, { 2: [] })
      expect(awakeIn(opened, 2)).toEqual([])
    })
  })

  test("they take the place of those that nobody used lately, and of nobody else", () => {
    const clock = { ms: 10 * MINUTE_MS }
    withModel({ numAwake: 12, options: { nowMs: () => clock.ms } }, (opened) => {
      const needed = runToken(opened, 5)
      const wanted = range(NUM_EXPERTS).filter((e) => !needed[0]!.includes(e))
      const used = (): number[][] =>
        range(NUM_LAYERS).map((layer) => awakeIn(opened, layer).filter((e) => needed[layer]!.includes(e)))
      const before = used()
      expect(before.flat().length).toBeGreaterThan(6)
      void keep(opened, { 0: wanted })
      settleAll(opened)
      expect(used()).toEqual(before)
      expect(awakeIn(opened, 0)).not.toEqual(expect.arrayContaining(wanted))
      clock.ms += MINUTE_MS
      void keep(opened, { 0: wanted })
      settleAll(opened)
      expect(awakeIn(opened, 0)).toEqual(wanted)
    })
  })

  test("where there is no room for all, those that events name are woken first, then the most wanted of each layer", () => {
    withModel({ numAwake: 5 }, (opened) => {
      const layers = [
        { layer: 0, awake: [7, 6, 5, 4], numNamed: 0, twice: [] },
        { layer: 1, awake: [3, 2, 1, 0], numNamed: 0, twice: [] },
        { layer: 5, awake: [6, 2], numNamed: 2, twice: [] },
      ]
      void opened.experts!.control({ kind: "keep", layers })
      settleAll(opened)
      expect([0, 1, 5].map((layer) => awakeIn(opened, layer))).toEqual([[6, 7], [3], [2, 6]])
    })
  })

  test("until they are used, others make room first", () => {
    withModel({ numAwake: 16 }, (opened) => {
      const needed = runToken(opened, 5)
      const wanted = range(NUM_EXPERTS)
        .filter((e) => !needed[1]!.includes(e))
        .slice(0, 4)
      void keep(opened, { 1: wanted })
      settleAll(opened)
      for (let id = 6; id < 40; id++) {
        for (const e of runToken(opened, id)[1]!) if (wanted.includes(e)) wanted.splice(wanted.indexOf(e), 1)
        expect(awakeIn(opened, 1)).toEqual(expect.arrayContaining(wanted))
      }
    })
  })

  test("what an operator set as limit stays one", () => {
    withModel({ numAwake: 48 }, (opened) => {
      void opened.experts!.control({ kind: "scale", awakePerLayer: 3, replicasPerLayer: 0 })
      void keep(opened, { ...all, 4: [6, 5, 7, 0, 1] })
      settleAll(opened)
      expect([...opened.experts!.store.table.numHeld]).toEqual(range(NUM_LAYERS).map(() => 3))
      expect(opened.experts!.report().residency).toMatchObject({ awakePerLayer: 3, numAwake: 18 })
      void opened.experts!.control({ kind: "scale", awakePerLayer: null, replicasPerLayer: 0 })
      void keep(opened, { 4: [6, 5, 7, 0, 1] })
      settleAll(opened)
      expect(awakeIn(opened, 4)).toEqual([0, 1, 5, 6, 7])
    })
  })

  test("who is to have a second copy has one while the plan says so, beside those that an operator asked for", () => {
    withModel({ numAwake: 96 }, (opened) => {
      const { control, tend, report } = opened.experts!
      const twiceAfter = (): string[] => {
        for (let turn = 0; turn < 60; turn++) tend()
        return report().experts.flatMap(({ layer, expert, replicas }) => (replicas > 0 ? [`${layer}/${expert}`] : []))
      }
      void keep(opened, { 3: range(NUM_EXPERTS) }, [5])
      settleAll(opened)
      expect(twiceAfter()).toEqual(["3/5"])
      void control({ kind: "scale", awakePerLayer: null, replicasPerLayer: 1 })
      expect(twiceAfter()).toHaveLength(NUM_LAYERS + 1)
      void keep(opened, { 3: range(NUM_EXPERTS) })
      void control({ kind: "scale", awakePerLayer: null, replicasPerLayer: 0 })
      expect(twiceAfter()).toEqual([])
    })
  })

  test("an expert that is not is refused, and the plan before stays", () =>
    withModel({ numAwake: 48 }, (opened) => {
      void keep(opened, { 3: [2] })
      expect(() => keep(opened, { 3: [8] })).toThrow(new RangeError("layer 3 expert 8: there is no such expert"))
      expect(() => keep(opened, { 9: [0] })).toThrow(new RangeError("layer 9 expert 0: there is no such expert"))
      expect(opened.experts!.report().residency.numKept).toBe(1)
    }))

  test("a damaged one is left asleep, and the others are woken", () =>
    withModel({ numAwake: 20, damage: { layer: 2, expert: 5 } }, (opened) => {
      void keep(opened, { 2: [5, 6, 7] })
      settleAll(opened)
      expect(awakeIn(opened, 2)).toEqual([6, 7])
    }))
})
