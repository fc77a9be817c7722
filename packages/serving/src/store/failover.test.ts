/** Experts of the embedded model that fail, and what the ladder makes of it: bits where it says so. */
import { afterAll, beforeAll, describe, expect, mock, spyOn, test } from "bun:test"
import { rmSync } from "node:fs"
import { type ExpertChange, type FaultKind, NOTHING_DESIRED, type Quarantined } from "../control.ts"
import { cacheDir, type Opened, prepareMini, PROMPT, runPrompt, withModel } from "../../test/openMini.ts"
import { instanceOf, STATE } from "./ExpertTable.ts"
import { ExpertFault } from "./ExpertFault.ts"

beforeAll(prepareMini)
afterAll(() => rmSync(cacheDir, { recursive: true, force: true }))

const inject = (opened: Opened, fault: FaultKind, layer: number, expert: number, count = 1): void =>
  void opened.experts!.control({ kind: "fault", fault, layer, expert, count })

/** The expert that the prompt's first token goes to in a layer. */
const usedExpert = (opened: Opened, layer: number): number => opened.transformer.routing(layer)!.expertIds[0]!

describe("failover", () => {
  test.each(["throw", "nan"] as const)("%s once: the step runs again and gives the same bits", (fault) =>
    withModel({ numAwake: 48 }, (opened) => {
      const { logits: expected } = runPrompt(opened)
      const expert = usedExpert(opened, 3)
      inject(opened, fault, 3, expert)
      const { logits, rungs } = runPrompt(opened)
      expect(logits).toEqual(expected)
      // A NaN that is gone when experts run one by one has no name.
      expect(rungs).toEqual(fault === "throw" ? [{ layer: 3, expertId: expert, rung: "reload" }] : [])
    }),
  )

  test("NaN again and again is traced to its expert, which is loaded anew", () =>
    withModel({ numAwake: 48 }, (opened) => {
      const { logits: expected } = runPrompt(opened)
      const expert = usedExpert(opened, 2)
      inject(opened, "nan", 2, expert, 2)
      const { logits, rungs } = runPrompt(opened)
      expect(logits).toEqual(expected)
      expect(rungs).toEqual([{ layer: 2, expertId: expert, rung: "reload" }])
      const report = reportsOf(opened).find(({ numFailures }) => numFailures > 0)
      expect(report).toMatchObject({ layer: 2, expert, state: "awake", numFailures: 1 })
    }))

  test("NaN of one row of a prefill chunk is noticed, though the last row is well, and poisons nothing that comes later", () =>
    withModel({ numAwake: 48 }, (opened) => {
      const { logits: expected } = runPrompt(opened)
      runPrompt(opened, 0)
      const { expertIds, topK } = opened.transformer.routing(1)!
      const lastRow = [...expertIds.subarray((PROMPT.length - 1) * topK, PROMPT.length * topK)]
      const expert = [...expertIds.subarray(0, (PROMPT.length - 1) * topK)].find((id) => !lastRow.includes(id))!
      inject(opened, "nan", 1, expert, 2)
      const { logits, rungs } = runPrompt(opened)
      expect(rungs).toEqual([{ layer: 1, expertId: expert, rung: "reload" }])
      expect(logits).toEqual(expected)
    }))

  test.each([
    ["throw", ["reload", "backend", "reroute"]],
    ["non-finite", ["reload", "backend", "reroute"]],
    ["norm", ["reload"]],
    ["checksum", ["reload", "reroute"]],
    ["deadline", [undefined, "backend", "reroute"]],
    ["host", [undefined, "reload", "backend", "reroute"]],
  ] as const)(
    "%s again and again: requests are told of %j, and of nothing that leaves the answer as it was",
    (kind, told) =>
      withModel({ numAwake: 48 }, (opened) => {
        const { climb, stepDone, store } = opened.experts!
        runPrompt(opened, 0)
        for (let faults = 1; faults <= told.length; faults++) {
          for (let fault = 0; fault < faults; fault++)
            expect(climb(new ExpertFault(kind, 3, 5, "a fault")).type).toBe("again")
          const rung = told[faults - 1]
          const rungs = new Set(stepDone().map((of) => JSON.stringify(of)))
          expect([...rungs]).toEqual(rung === undefined ? [] : [JSON.stringify({ layer: 3, expertId: 5, rung })])
          // The next request finds it as it was at first.
          opened.experts!.health.forget(store.table.layers[3]!.first + 5)
        }
      }),
  )

  test("a slow expert is late, and gives the same answer", () =>
    withModel({ numAwake: 48 }, (opened) => {
      const { logits: expected } = runPrompt(opened, 0)
      const waits = spyOn(Atomics, "wait").mockReturnValue("timed-out")
      inject(opened, "slow", 0, usedExpert(opened, 0), 2)
      const answers = [runPrompt(opened, 0), runPrompt(opened, 0), runPrompt(opened, 0)]
      const late = waits.mock.calls.filter((call) => call[3] === 100)
      mock.restore()
      expect(late.length).toBe(2)
      for (const { logits, rungs } of answers) expect([logits, rungs]).toEqual([expected, []])
    }))

  test("a replica stands in without a read, and gives the same bits", () =>
    withModel({ numAwake: 96 }, (opened) => {
      const { logits: expected } = runPrompt(opened)
      const expert = usedExpert(opened, 1)
      opened.experts!.control({ kind: "scale", awakePerLayer: null, replicasPerLayer: 8 })
      for (let t = 0; t < 8; t++) opened.experts!.tend()
      const { counters } = opened.experts!.store.residency
      const { readBytes } = counters
      inject(opened, "throw", 1, expert)
      const { logits, rungs } = runPrompt(opened)
      expect(logits).toEqual(expected)
      expect(rungs).toEqual([{ layer: 1, expertId: expert, rung: "replica" }])
      expect(counters.readBytes).toBe(readBytes)
    }))

  test("replicas that nobody wants any more are given back", () =>
    withModel({ numAwake: 96 }, ({ experts }) => {
      const { control, tend, store } = experts!
      const { usedBytes } = store.residency
      for (const replicasPerLayer of [8, 0]) {
        void control({ kind: "scale", awakePerLayer: null, replicasPerLayer })
        for (let t = 0; t < 8; t++) tend()
        expect(store.residency.usedBytes).toBe(replicasPerLayer === 0 ? usedBytes : 2 * usedBytes)
      }
    }))

  test("who fails and fails goes to another backend, then is routed around; a probe readmits it", () => {
    const changes: ExpertChange[] = []
    const clock = { ms: 1_000_000 }
    const options = {
      onChange: (change: ExpertChange) => void changes.push(change),
      nowMs: () => clock.ms,
    }
    withModel({ numAwake: 48, options }, (opened) => {
      const { logits: expected } = runPrompt(opened)
      const expert = usedExpert(opened, 4)
      for (let t = 0; t < 50; t++) opened.experts!.tend()
      inject(opened, "throw", 4, expert, 2)
      const second = runPrompt(opened)
      expect(second.rungs).toEqual([{ layer: 4, expertId: expert, rung: "backend" }])
      for (const [t, values] of second.logits.entries()) expectNear(values, expected[t]!)
      expect(stateOf(opened, 4, expert)).toBe("failed")

      inject(opened, "throw", 4, expert, 2)
      const third = runPrompt(opened, 0)
      expect(third.rungs).toEqual([{ layer: 4, expertId: expert, rung: "reroute" }])
      expect([...opened.transformer.routing(4)!.expertIds]).not.toContain(expert)
      // It stays so, and says so, until the probe.
      expect(runPrompt(opened, 0).rungs).toEqual(third.rungs)

      clock.ms += 60_000
      opened.experts!.tend()
      expect(stateOf(opened, 4, expert)).toBe("awake")
      const last = runPrompt(opened)
      expect(last.logits).toEqual(expected)
      expect(last.rungs).toEqual([])
      const told = changes.map(({ change }) => change)
      expect(told.filter((change) => change !== "woken" && change !== "slept")).toEqual([
        "fault",
        "fault",
        "quarantined",
        "fault",
        "fault",
        "quarantined",
        "readmitted",
      ])
    })
  })

  test("with --failover exact nothing stands in that changes the text: the request fails", () =>
    withModel({ numAwake: 48, options: { allowsOtherText: false } }, (opened) => {
      runPrompt(opened)
      const expert = usedExpert(opened, 0)
      inject(opened, "throw", 0, expert, 100)
      expect(() => runPrompt(opened)).toThrow("no rung of the failover ladder is left")
    }))

  test("bytes that change in memory are found by the scrub, and read again", () =>
    withModel({ numAwake: 48 }, (opened) => {
      const { logits: expected } = runPrompt(opened)
      const expert = usedExpert(opened, 5)
      inject(opened, "corrupt-slab", 5, expert)
      expect(runPrompt(opened).logits).not.toEqual(expected)
      for (let t = 0; t < 48; t++) opened.experts!.tend()
      expect(runPrompt(opened).logits).toEqual(expected)
      expect(reportsOf(opened).find((of) => of.layer === 5 && of.expert === expert)?.numFailures).toBe(1)
    }))

  test("a file that is damaged for good: the expert is routed around, and stays out while it is so", () => {
    const clock = { ms: 0 }
    withModel({ numAwake: 4, options: { nowMs: () => clock.ms }, damage: { layer: 2, expert: 5 } }, (opened) => {
      const { rungs } = runPrompt(opened)
      expect(rungs).toEqual([{ layer: 2, expertId: 5, rung: "reroute" }])
      clock.ms += 10_000
      opened.experts!.tend()
      expect(stateOf(opened, 2, 5)).toBe("failed")
      for (let t = 0; t < 48; t++) opened.experts!.tend()
      // The wait has doubled.
      expect(opened.experts!.tend()).toBeGreaterThanOrEqual(500)
      expect(opened.experts!.tend()).toBeLessThanOrEqual(550)
      expect(runPrompt(opened).rungs).toEqual(rungs)
    })
  })

  test("damaged before the engine starts: the first start fails, a restart serves what is left", () => {
    const damaged = { numAwake: 48, damage: { layer: 2, expert: 5 } }
    expect(() => withModel(damaged, () => {})).toThrow("expected checksum")
    withModel({ ...damaged, isRestart: true }, (opened) =>
      expect(runPrompt(opened).rungs).toEqual([{ layer: 2, expertId: 5, rung: "reroute" }]),
    )
  })

  test("who is put away stays so in the next engine, for as long as it would have, and is probed there", () => {
    const clock = { ms: 1_000_000 }
    let quarantined: readonly Quarantined[] = []
    const options = {
      nowMs: () => clock.ms,
      onQuarantine: (all: readonly Quarantined[]) => void (quarantined = all),
    }
    const expert = withModel({ numAwake: 48, options }, (opened) => {
      runPrompt(opened)
      const used = usedExpert(opened, 4)
      inject(opened, "throw", 4, used, 3)
      expect(runPrompt(opened, 0).rungs).toEqual([{ layer: 4, expertId: used, rung: "reroute" }])
      return used
    })
    const [first] = quarantined
    const away = { layer: 4, expert, version: "original", rung: "reroute", sinceMs: clock.ms, numOpenings: 1 } as const
    expect(quarantined).toEqual([{ ...away, reason: expect.stringContaining("injected") }])

    clock.ms += 100_000
    const others = [
      { ...first!, layer: 99, numOpenings: 7 },
      { ...first!, expert: 700, numOpenings: 8 },
      { ...first!, version: "4-0-0123456789abcdef", numOpenings: 9 },
    ]
    const desired = { ...NOTHING_DESIRED, quarantined: [{ ...first!, numOpenings: 3 }, ...others] }
    withModel({ numAwake: 48, options }, (opened) => {
      const { desire, tend } = opened.experts!
      desire(desired)
      expect(quarantined).toEqual([{ ...first!, numOpenings: 3 }])
      expect(runPrompt(opened).rungs).toEqual([{ layer: 4, expertId: expert, rung: "reroute" }])
      clock.ms += 999
      tend()
      expect(stateOf(opened, 4, expert)).toBe("failed")
      clock.ms += 102
      tend()
      expect(stateOf(opened, 4, expert)).toBe("awake")
      expect(quarantined).toEqual([])
    })
    withModel({ numAwake: 48, options: { ...options, allowsOtherText: false } }, (opened) => {
      opened.experts!.desire(desired)
      expect(stateOf(opened, 4, expert)).toBe("awake")
    })
    // Awake on the engine's own backend until then.
    withModel({ numAwake: 48, options }, (opened) => {
      const { desire, store } = opened.experts!
      const { table } = store
      desire({ ...NOTHING_DESIRED, quarantined: [{ ...first!, rung: "backend" }] })
      const instance = instanceOf(table, 4, expert)!
      expect([table.states[instance], table.slabs[instance]]).toEqual([STATE.asleep, undefined])
      expect(runPrompt(opened, 0).rungs).toEqual([{ layer: 4, expertId: expert, rung: "backend" }])
    })
  })

  test("what cannot be injected is refused", () =>
    withModel({ numAwake: 48, options: { enablesFaults: false } }, (opened) => {
      expect(() => inject(opened, "throw", 0, 0)).toThrow("--enable-faults")
    }))
})

const reportsOf = (opened: Opened) => opened.experts!.report().experts
const stateOf = (opened: Opened, layer: number, expert: number): string | undefined =>
  reportsOf(opened).find((of) => of.layer === layer && of.expert === expert)?.state

function expectNear(values: Float32Array, expected: Float32Array): void {
  const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
  expect(values.every((value, i) => Math.abs(value - expected[i]!) < 0.02 * largest)).toBe(true)
}
