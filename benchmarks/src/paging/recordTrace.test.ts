import { expect, test } from "bun:test"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { runnableBackends } from "../createBackend.ts"
import type { SuiteOptions } from "../Suite.ts"
import { measureTrace } from "./measureTrace.ts"
import { recordTrace } from "./recordTrace.ts"

test("recordTrace: the embedded model's routing, a prefill and then a token a step, with forecasts that are mostly right", async () => {
  const cacheDir = mkdtempSync(join(tmpdir(), "consilium-record-"))
  const options: SuiteOptions = {
    root: "",
    modelDir: join(import.meta.dir, "../../../models/consilium-mini"),
    cacheDir,
    format: "int8",
    backend: runnableBackends()[0],
    formats: [],
    backends: [],
    numThreads: 1,
    flags: {},
    signal: new AbortController().signal,
    expect: () => {},
    report: () => {},
  }
  try {
    const { trace, expertBytes } = await recordTrace(options, ["Hello!", "What is a router?"], 8)
    expect(trace.header).toEqual({ model: "consilium-mini", numLayers: 6, numExperts: 8, topK: 2, hasForecasts: true })
    const numTokens = trace.steps.map(({ numTokens }) => numTokens)
    const prefills = numTokens.filter((n) => n > 1)
    expect(prefills.length).toBe(2)
    expect(numTokens.length).toBe(2 + 2 * 8)
    expect(trace.steps.every(({ expertIds }) => expertIds.every((id) => id >= 0))).toBe(true)
    // The first layer's experts cannot be known before; chance alone would forecast a quarter of the others'.
    expect(Array.from(trace.steps[0]!.forecastIds!.subarray(0, 2 * numTokens[0]!)).every((id) => id === -1)).toBe(true)
    expect(measureTrace(trace).lookahead).toBeGreaterThan(0.6)
    expect(expertBytes).toBeGreaterThan(3 * 256 * 256)
  } finally {
    rmSync(cacheDir, { recursive: true, force: true })
  }
})
