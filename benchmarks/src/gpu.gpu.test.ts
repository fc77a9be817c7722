import { expect, test } from "bun:test"
import { tmpdir } from "node:os"
import { gpu } from "./gpu.ts"
import type { Measurement, SuiteOptions } from "./Suite.ts"
import { whyNoGpu } from "../test/whyNoGpu.ts"

test.skipIf(whyNoGpu() !== undefined)(
  "gpu: a tiny shape's products and layer compute what the reference does, and each has a figure beside the device's limits",
  async () => {
    let numExpected = 0
    const options: SuiteOptions = {
      root: "",
      modelDir: "",
      cacheDir: tmpdir(),
      format: "int8",
      backend: "reference",
      formats: ["int8"],
      backends: [],
      numThreads: 1,
      flags: { shape: "tiny-qwen3", rows: "2" },
      signal: new AbortController().signal,
      expect: (num) => (numExpected = num),
      report: () => {},
    }
    const measured: Measurement[] = []
    for await (const measurement of gpu.run(options)) measured.push(measurement)
    expect(measured.length).toBe(numExpected)
    const names = new Set(measured.map(({ name }) => name))
    for (const name of ["this device", "expert 128 → 64 → 128", "matrix 128 → 512", "layer of 16 experts, 4 a token"])
      expect(names).toContain(name)
    const caches = measured.filter(({ name }) => name.startsWith("attention")).map(({ contender }) => contender)
    expect(new Set(caches)).toEqual(new Set(["bf16/16", "f32"]))
    expect(measured.every(({ samples }) => samples.every((sample) => sample > 0 && Number.isFinite(sample)))).toBe(true)
  },
  300_000,
)
