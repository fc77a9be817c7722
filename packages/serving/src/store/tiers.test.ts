/** Experts of the embedded model in the memory of a device that is made up, and at home. */
import { type Arena, bestIsa, createX64Backend, runnableIsas, StateLostError } from "@consilium/kernels"
import { GREEDY } from "@consilium/model"
import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import { rmSync } from "node:fs"
import type { DeviceTier } from "@consilium/gpu"
import { createFakeDevice, type FakeDevice } from "@consilium/gpu/fake"
import {
  cacheDir,
  type Opened,
  type OpenOptions,
  prepareMini,
  PROMPT,
  runPrompt,
  withModel,
} from "../../test/openMini.ts"
import type { ExpertChange } from "../control.ts"
import { createEngineCore } from "../engine/EngineCore.ts"
import type { Generate } from "../protocol.ts"
import { createTierBalancer } from "./TierBalancer.ts"

beforeAll(prepareMini)
afterAll(() => rmSync(cacheDir, { recursive: true, force: true }))

const NUM_EXPERTS = 48
const FEW = 4
/** Of the largest logit: machine code adds in another order than plain loops. */
const TOLERANCE = 0.02
const reportOf = (opened: Opened) => opened.experts!.report()
const expectClose = (found: readonly Float32Array[], expected: readonly Float32Array[]): void => {
  for (const [step, logits] of expected.entries()) {
    const largest = logits.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
    const worst = logits.reduce((most, value, i) => Math.max(most, Math.abs(value - found[step]![i]!)), 0)
    expect(worst / largest, `step ${step}`).toBeLessThan(TOLERANCE)
  }
}
/** By layer: experts that the device holds. */
const held = (opened: Opened): number[][] => {
  const { experts } = reportOf(opened)
  return opened.experts!.store.table.layers.map(({ layer }) =>
    experts.filter((of) => of.layer === layer && of.domains[0] === "gpu").map(({ expert }) => expert),
  )
}

/** Runs `body` with a device, of which `numExperts` experts fit beside all else. */
function withDevice<T>(
  numExperts: number,
  body: (opened: Opened, device: FakeDevice, clock: { ms: number }) => T,
  { keepsRows = true, ...options }: OpenOptions & { readonly keepsRows?: boolean } = {},
): T {
  const clock = { ms: 1_000_000 }
  let device!: FakeDevice
  const open = (arena: Arena): FakeDevice => {
    const inner = runnableIsas().length > 0 ? createX64Backend(arena, { isa: bestIsa(), numThreads: 1 }) : undefined
    return (device = createFakeDevice(arena, { keepsRows, ...(inner && { inner }) }))
  }
  const given = { open, numExperts, nowMs: () => clock.ms }
  return withModel({ ...options, device: given }, (opened) => body(opened, device, clock))
}

describe("a device beside the processor", () => {
  let known: readonly Float32Array[] | undefined
  /** What it computes without a device. */
  const plain = (): readonly Float32Array[] =>
    (known ??= withModel({ numAwake: NUM_EXPERTS }, (opened) => runPrompt(opened).logits))

  test.each([
    [0, true],
    [20, true],
    [20, false],
    [NUM_EXPERTS, true],
  ])(
    "with room for %i of 48 experts, rows kept there %p: as many of each layer, and the same logits",
    (room, keepsRows) => {
      const expected = plain()
      withDevice(
        room,
        (opened, device) => {
          const counts = held(opened).map((experts) => experts.length)
          expect(counts.reduce((sum, count) => sum + count, 0)).toBe(room)
          expect(Math.max(...counts) - Math.min(...counts)).toBeLessThanOrEqual(1)
          device.calls.length = 0
          expectClose(runPrompt(opened).logits, expected)
          expect(device.calls.includes("experts")).toBe(room > 0)
          expect(device.calls.includes("submit")).toBe(keepsRows && room > 0 && room < NUM_EXPERTS)
          const { gpu } = reportOf(opened).residency
          expect(gpu).toMatchObject({ adapter: "fake", state: "in-use", numExperts: held(opened).flat().length })
          expect(gpu!.usedBytes).toBe(device.deviceMemory().bytes)
        },
        { numAwake: NUM_EXPERTS, keepsRows },
      )
    },
  )

  test("with experts that sleep and wake all the same", () => {
    const expected = plain()
    withDevice(
      6,
      (opened, _, clock) => {
        for (let round = 0; round < 3; round++) {
          expectClose(runPrompt(opened).logits, expected)
          clock.ms += 10_000
        }
        expect(reportOf(opened).residency.numMoved).toBeGreaterThan(0)
      },
      { numAwake: 20 },
    )
  })

  test("an expert there whose output a fault spoils is found, read anew, and computes on the stand-in at last: the same logits", () => {
    const expected = plain()
    withDevice(
      NUM_EXPERTS,
      (opened) => {
        runPrompt(opened)
        const busiest = reportOf(opened)
          .experts.filter(({ layer }) => layer === 1)
          .toSorted((a, b) => b.shareOfTokens - a.shareOfTokens)[0]!
        const { layer, expert } = busiest
        void opened.experts!.control({ kind: "fault", fault: "nan", layer, expert, count: 4 })
        const { logits, rungs } = runPrompt(opened)
        expectClose(logits, expected)
        expect(rungs.map(({ rung }) => rung)).toContain("backend")
      },
      { numAwake: NUM_EXPERTS },
    )
  })

  test("when it is lost in mid-answer, 100 times, no request is lost, and each has the text that it would have had", () => {
    const expected = withDevice(20, (opened) => answers(opened, () => {}), { numAwake: NUM_EXPERTS })
    expect(expected.flat().length).toBe(100)
    withDevice(
      20,
      (opened, device, clock) => {
        const calls = ["beginStep", "attend", "sync", "norm", "endStep"]
        let numLosses = 0
        const found = answers(opened, () => {
          // The last loss was long ago.
          clock.ms += 10_000_000
          opened.tiered!.tier.tend()
          device.failNext(calls[numLosses++ % calls.length])
        })
        expect(found).toEqual(expected)
        expect(numLosses).toBe(100)
        expect(reportOf(opened).residency.gpu).toMatchObject({ numLosses: 100 })
      },
      { numAwake: NUM_EXPERTS },
    )
  })
})

/** Answers of 10 ids to 10 prompts, as an engine gives them; `beforeStep` is called before each step that did not fail before. */
function answers({ transformer, experts, tiered }: Opened, beforeStep: () => void): number[][] {
  const core = createEngineCore({ model: { ...transformer, expertBytes: () => 0 }, maxWaiting: 4, nowMs: () => 0 })
  return Array.from({ length: 10 }, (_, r) => {
    const ids: number[] = []
    const request: Generate = {
      type: "generate",
      requestId: `${r}`,
      ids: PROMPT.slice(4 * r, 4 * r + 6),
      resumeFrom: 0,
      sampling: GREEDY,
      seed: 0,
      choice: 0,
      maxTokens: 10,
      stopIds: [],
      trace: false,
    }
    core.submit(request)
    let hasFailed = false
    while (core.numRunning + core.numWaiting > 0) {
      if (!hasFailed) beforeStep()
      const result = core.step()
      if (result?.type === "fault") {
        expect(hasFailed).toBe(false)
        hasFailed = true
        if (result.cause instanceof StateLostError) core.recompute()
        else expect(experts!.climb(result.cause).type).toBe("again")
        continue
      }
      hasFailed = false
      experts!.stepDone()
      tiered?.tier.tend()
      for (const event of result?.events ?? [])
        if (event.type === "tokens") ids.push(...event.tokens.map(({ id }) => id))
    }
    return ids
  })
}

describe("createTierBalancer", () => {
  /** A balancer of its own over an open model's experts, for loads that are made up. */
  const balanceBy = (
    opened: Opened,
    loadOf: (layer: number, expert: number) => number,
    isSettled: (instance: number) => boolean = () => true,
    change: Partial<DeviceTier> = {},
  ) => {
    const { table, residency } = opened.experts!.store
    const clock = { ms: 0 }
    const changes: Pick<ExpertChange, "layer" | "expert" | "detail">[] = []
    const balancer = createTierBalancer({
      table,
      isSettled,
      counters: residency.counters,
      tier: { ...opened.tiered!.tier, ...change },
      nowMs: () => clock.ms,
      load: { workPerSec: (instance) => loadOf(table.layerOf[instance]!, table.expertIds[instance]!) },
      onChange: (change) => changes.push(change),
    })
    const batches: number[] = []
    for (let step = 0; step < 60; step++) {
      const before = changes.length
      balancer.stepDone()
      if (changes.length > before) batches.push(changes.length - before)
      clock.ms += 1000
    }
    return { changes, batches }
  }

  test("the hot take the places of the cold, a few between two steps, and it ends", () =>
    withDevice(
      12,
      (opened) => {
        const hot = (layer: number, expert: number): number => (expert === (layer + 3) % 8 ? 1000 : 1)
        const { changes, batches } = balanceBy(opened, hot)
        for (const [layer, experts] of held(opened).entries()) expect(experts).toContain((layer + 3) % 8)
        expect(held(opened).flat().length).toBe(12)
        expect(Math.max(...batches)).toBeLessThanOrEqual(FEW)
        expect(changes.map(({ detail }) => detail)).toContain("out of the memory of fake")
        expect(balanceBy(opened, hot).changes).toEqual([])
      },
      { numAwake: NUM_EXPERTS },
    ))

  test("a device that is far slower than home gives its experts up; one that the processor computes was asked for, and keeps them", () =>
    withDevice(
      12,
      (opened) => {
        const even = (): number => 1
        const { tier } = opened.tiered!
        const speeds = { ...tier.speeds, deviceMsPerRow: 100, homeMsPerRow: 1 }
        const adapter = { ...tier.adapter, isSoftware: true }
        expect(balanceBy(opened, even, () => true, { speeds, adapter }).changes).toEqual([])
        expect(balanceBy(opened, even, () => true, { speeds }).changes.length).toBeGreaterThan(0)
        expect(held(opened).flat().length).toBeLessThan(12)
      },
      { numAwake: NUM_EXPERTS },
    ))

  test("who drains or fails stays where it is, and nobody moves while the device is away", () =>
    withDevice(
      12,
      (opened, device) => {
        const before = held(opened)
        const hot = (_: number, expert: number): number => (expert === 7 ? 1000 : 1)
        expect(balanceBy(opened, hot, () => false).changes).toEqual([])
        device.endHost!()
        runPrompt(opened, 0)
        expect(held(opened).flat()).toEqual([])
        expect(balanceBy(opened, hot).changes).toEqual([])
        expect(before.flat().length).toBe(12)
        expect(reportOf(opened).residency.gpu).toMatchObject({ state: "away", numExperts: 0, usedBytes: 0 })
      },
      { numAwake: NUM_EXPERTS },
    ))
})
