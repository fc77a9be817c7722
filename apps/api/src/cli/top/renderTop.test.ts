import type { ExpertReport, ResidencyReport } from "@consilium/serving"
import { expect, test } from "bun:test"
import { renderTop, type TopView } from "./renderTop.ts"

const expert = (layer: number, id: number, change: Partial<ExpertReport> = {}): ExpertReport => ({
  layer,
  expert: id,
  state: "awake",
  bytes: 2 ** 20,
  replicas: 0,
  domains: [0],
  version: "original",
  load: id,
  timeShare: 0.02,
  usedMs: 0,
  shareOfTokens: 0.1,
  numFailures: 0,
  ...change,
})

const status = {
  modelId: "mini",
  backend: "x64",
  format: "int8",
  numSlots: 16,
  contextLength: 512,
  numRunning: 3,
  numWaiting: 1,
  steps: 9,
  numTokens: 100,
  residentBytes: 200 * 2 ** 20,
  weightBytes: 2 ** 20,
  isSecondBest: false,
}
const residency = {
  budgetBytes: 2 ** 31,
  usedBytes: 2 ** 30,
  numAwake: 7,
  numExperts: 8,
  awakePerLayer: null,
  replicasPerLayer: 0,
  numKept: 0,
  numWoken: 3,
  numSlept: 1,
  readBytes: 3 * 2 ** 20,
  aheadBytes: 2 ** 20,
  waitMs: 1500,
  numMoved: 0,
  numDomains: 1,
  domainBalance: 1,
  gpu: null,
  imbalance: 1.75,
  plainImbalance: 1.75,
  routing: "exact" as const,
  drift: { kl: 0, moved: 0 },
}
const view: TopView = {
  modelId: "mini",
  state: { phase: "ready", status },
  experts: {
    kind: "experts",
    experts: [0, 1].flatMap((layer) => [
      ...[0, 1, 2].map((id) => expert(layer, id)),
      expert(layer, 3, layer === 0 ? { state: "failed", numFailures: 1 } : { state: "asleep", load: 0 }),
    ]),
    residency,
    versions: { versions: [], earlier: [], canary: null },
  },
  tokensPerSec: 321.4,
  changes: [{ atMs: 0, layer: 0, expert: 3, change: "quarantined", detail: "its output is not finite" }],
}
/** Without colours. */
const plain = (lines: readonly string[]): string[] =>
  // oxlint-disable-next-line no-control-regex -- that is what colours are made of
  lines.map((line) => line.replaceAll(/\u001b\[[0-9;]*m/g, ""))

test("renderTop: shows streams, rate, memory against its budget, states, load as bars, and what happened", () => {
  const lines = plain(renderTop(view, { columns: 80, rows: 24 }))
  expect(lines[0]).toBe("mini (x64, int8): 3 of 16 streams, 1 wait, 321 tok/s, process 200 MiB")
  expect(lines[1]).toMatch(/^experts █+░+ 1.00 GiB of 2.00 GiB$/)
  expect(lines[2]).toBe("6 awake, 1 asleep, 1 failed, computing 16 % of the time; versions 0")
  expect(lines[3]).toBe("imbalance 1.8")
  expect(lines[4]).toBe("woken 3, read 3.00 MiB (1.00 MiB ahead), steps waited 1.5 s")
  expect(lines.slice(6, 8)).toEqual(["    0   ▂▅✗", "    1   ▂▅."])
  const uneven = { ...residency, numDomains: 2, domainBalance: 0.5 }
  const inDomains = { ...view, experts: { ...view.experts!, residency: uneven } }
  expect(plain(renderTop(inDomains, { columns: 80, rows: 24 }))[3]).toBe("imbalance 1.8, of 2 memory domains 2.0")
  expect(lines.at(-2)).toContain("layer 0 expert 3 quarantined: its output is not finite")
})

test("renderTop: shows what a GPU holds, and that it is away", () => {
  const gpu = {
    adapter: "Fast 1",
    isSoftware: false,
    state: "in-use",
    budgetBytes: 2 ** 33,
    usedBytes: 2 ** 32,
    numExperts: 5,
    numLosses: 1,
  } as const
  const lineOf = (of: ResidencyReport["gpu"]): string | undefined => {
    const experts = { ...view.experts!, residency: { ...residency, gpu: of } }
    return plain(renderTop({ ...view, experts }, { columns: 80, rows: 24 }))[4]
  }
  expect(lineOf(gpu)).toBe("gpu Fast 1: 5 of 8 experts, 4.00 GiB of 8.00 GiB")
  expect(lineOf({ ...gpu, budgetBytes: null })).toBe("gpu Fast 1: 5 of 8 experts, 4.00 GiB")
  expect(lineOf({ ...gpu, state: "returning" })).toBe("gpu Fast 1 returning: 5 of 8 experts, 4.00 GiB of 8.00 GiB")
  expect(lineOf({ ...gpu, state: "away", reason: "the device was lost" })).toBe("gpu Fast 1 away: the device was lost")
})

test("renderTop: shows what routing by load gains beside what it costs", () => {
  const balanced = {
    ...residency,
    routing: "balanced" as const,
    plainImbalance: 3.14,
    drift: { kl: 0.0204, moved: 0.031 },
  }
  const lines = plain(
    renderTop({ ...view, experts: { ...view.experts!, residency: balanced } }, { columns: 80, rows: 24 }),
  )
  expect(lines[3]).toBe("imbalance 1.8 instead of 3.1 by balanced routing: 3.1 % elsewhere, KL 0.020")
})

test("renderTop: never has more lines than the terminal, and says how many layers are left out", () => {
  const experts = Array.from({ length: 60 * 300 }, (_, i) => expert(Math.floor(i / 300), i % 300))
  const large = { ...view, modelId: "m".repeat(200), experts: { ...view.experts!, experts } }
  for (const rows of [8, 16, 40]) {
    const lines = plain(renderTop(large, { columns: 80, rows }))
    expect(lines.length).toBeLessThanOrEqual(rows)
    for (const line of lines) expect(line.length).toBeLessThanOrEqual(80)
  }
  expect(plain(renderTop(large, { columns: 80, rows: 24 })).join("\n")).toMatch(/… \d+ more layers/)
})

test("renderTop: without an engine it says what there is", () => {
  const asleep = { ...view, state: { phase: "asleep", sinceMs: 0 } as const, experts: undefined }
  expect(renderTop(asleep, { columns: 80, rows: 24 })[0]).toBe("mini: asleep")
})
