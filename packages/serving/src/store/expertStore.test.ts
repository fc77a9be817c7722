/** The embedded model with its experts in a store, under budgets of few or many of them. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { rmSync } from "node:fs"
import { BACKENDS, cacheDir, prepareMini, PROMPT, runPrompt, withModel } from "../../test/openMini.ts"
import type { ExpertChange } from "../control.ts"
import { STATE } from "./ExpertTable.ts"

beforeAll(prepareMini)
afterAll(() => rmSync(cacheDir, { recursive: true, force: true }))

describe.each([...BACKENDS])("ExpertStore, %s", (backend) => {
  test("streamed is resident: a budget of any size gives the same bits", () => {
    const { logits } = withModel({ backend }, runPrompt)
    for (const numAwake of [1, 2, 3, 7, 20, 48]) {
      withModel({ backend, numAwake }, (opened) => {
        const { table, residency, frameBytes } = opened.experts!.store
        expect(runPrompt(opened).logits, `${numAwake} awake`).toEqual(logits)
        expect(table.states.filter((state) => state === STATE.awake).length).toBeLessThanOrEqual(numAwake)
        expect(residency.usedBytes).toBeLessThanOrEqual(numAwake * frameBytes)
      })
    }
  })
})

describe("ExpertStore", () => {
  test("wakes all at the start where they fit, and reads nothing more", () =>
    withModel({ numAwake: 48 }, (opened) => {
      const { table, residency } = opened.experts!.store
      expect(table.states.filter((state) => state === STATE.awake).length).toBe(48)
      runPrompt(opened, 1)
      expect(residency.counters).toMatchObject({ readBytes: 0, numSlept: 0 })
    }))

  test("a chunk of prefill reads each expert once, however few fit", () =>
    withModel({ numAwake: 2 }, (opened) => {
      const { table, residency } = opened.experts!.store
      runPrompt(opened, 0)
      const used = new Set<string>()
      table.layers.forEach(({ layer }) => {
        const { expertIds, topK } = opened.transformer.routing(layer)!
        expertIds.subarray(0, PROMPT.length * topK).forEach((id) => used.add(`${layer} ${id}`))
      })
      expect(residency.counters.numWoken).toBe(used.size)
    }))

  test("scaled down and up again, answers stay, and memory goes and comes", () =>
    withModel({ numAwake: 48 }, (opened) => {
      const { logits } = runPrompt(opened)
      const { experts, backend } = opened
      const { store } = experts!
      const { usedBytes } = backend.arena
      experts!.control({ kind: "scale", awakePerLayer: 2, replicasPerLayer: 0 })
      expect([...store.table.numHeld]).toEqual(store.table.layers.map(() => 2))
      expect(usedBytes - backend.arena.usedBytes).toBe(36 * store.frameBytes)
      expect(runPrompt(opened).logits).toEqual(logits)
      expect(Math.max(...store.table.numHeld)).toBe(2)
      experts!.control({ kind: "scale", awakePerLayer: null, replicasPerLayer: 0 })
      expect(runPrompt(opened).logits).toEqual(logits)
      expect(Math.max(...store.table.numHeld)).toBeGreaterThan(2)
    }))

  test("experts that nobody uses fall asleep, and wake when they are wanted", () => {
    const clock = { ms: 1000 }
    withModel({ numAwake: 48, options: { idleMs: 5000, nowMs: () => clock.ms } }, (opened) => {
      const { logits } = runPrompt(opened)
      const { store, tend } = opened.experts!
      clock.ms += 4000
      tend()
      expect(store.residency.usedBytes).toBeGreaterThan(0)
      clock.ms += 4000
      tend()
      expect(store.residency.usedBytes).toBe(0)
      expect(runPrompt(opened).logits).toEqual(logits)
    })
  })

  test("what is awake is verified once after work, in any number of turns; then there is nothing to do until more work", () =>
    withModel({ numAwake: 48 }, (opened) => {
      const { tend, control } = opened.experts!
      const restOf = (): number => {
        for (let turn = 0; turn < 48; turn++) {
          const restMs = tend()
          if (restMs !== 0) return restMs
        }
        return 0
      }
      expect(restOf()).toBe(Number.POSITIVE_INFINITY)
      runPrompt(opened)
      expect(restOf()).toBe(Number.POSITIVE_INFINITY)
      void control({ kind: "fault", fault: "corrupt-slab", layer: 5, expert: 7, count: 1 })
      expect(opened.experts!.takeSpoiled()).toBe(false)
      restOf()
      expect(opened.experts!.takeSpoiled()).toBe(true)
    }))

  test("who woke and who fell asleep is told, once a second", () => {
    const clock = { ms: 1000 }
    const changes: ExpertChange[] = []
    const options = { nowMs: () => clock.ms, onChange: (change: ExpertChange) => void changes.push(change) }
    withModel({ numAwake: 4, options }, (opened) => {
      const { store, tend } = opened.experts!
      const told = (change: string): number =>
        changes
          .filter((one) => one.change === change)
          .reduce((sum, { detail }) => sum + Number(/^\d+/.exec(detail)![0]), 0)
      runPrompt(opened, 0)
      tend()
      expect(changes.map(({ change }) => change)).toEqual(["woken", "slept"])
      const { numWoken } = store.residency.counters
      expect(told("woken")).toBe(numWoken)
      clock.ms += 400
      runPrompt(opened, 0)
      for (let turn = 0; turn < 100; turn++) tend()
      expect(changes.length).toBe(2)
      expect(tend()).toBe(600)
      clock.ms += 600
      expect(tend()).toBe(Number.POSITIVE_INFINITY)
      const { counters } = store.residency
      expect([told("woken"), told("slept")]).toEqual([counters.numWoken, counters.numSlept])
      expect(counters.numWoken).toBeGreaterThan(numWoken)
    })
  })

  test("it is tended again when the next expert falls asleep", () => {
    const clock = { ms: 1000 }
    withModel({ numAwake: 48, options: { idleMs: 5000, nowMs: () => clock.ms } }, (opened) => {
      clock.ms += 1000
      runPrompt(opened)
      for (let turn = 0; turn < 48; turn++) opened.experts!.tend()
      expect(opened.experts!.tend()).toBe(4000)
      // Who was not used since the start goes first.
      clock.ms += 4000
      opened.experts!.tend()
      const numAwake = opened.experts!.store.table.states.filter((state) => state === STATE.awake).length
      expect(numAwake).toBeGreaterThan(0)
      expect(numAwake).toBeLessThan(48)
      expect(opened.experts!.tend()).toBe(1000)
    })
  })

  test("an expert that is damaged on disk is a fault that names it", () =>
    withModel({ numAwake: 4, damage: { layer: 2, expert: 5 }, options: { allowsOtherText: false } }, (opened) => {
      expect(() => runPrompt(opened)).toThrow(/layer 2 expert 5: expected checksum [0-9a-f]{16}, found [0-9a-f]{16}/)
    }))
})
