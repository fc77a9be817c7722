import { afterEach, beforeEach, describe, expect, setSystemTime, test } from "bun:test"
import { type Arena, createArena } from "@consilium/kernels"
import { createFakeDevice, type FakeDevice } from "@consilium/gpu/fake"
import { chooseBackend } from "./chooseBackend.ts"
import type { ChosenTier } from "./chooseGpu.ts"

let arena: Arena
beforeEach(() => {
  arena = createArena()
})
afterEach(() => arena.close())

/** A device whose products take so long. */
const deviceOf = (productMs: number, isSoftware = false): FakeDevice => ({
  ...createFakeDevice(arena, { isSoftware }),
  matmul() {
    const endMs = performance.now() + productMs
    while (performance.now() < endMs);
  },
})
const choose = (backend: "auto" | "gpu", openGpu: () => FakeDevice, isTested = true) =>
  chooseBackend(arena, { backend, numThreads: 1, isTested, openGpu: async () => openGpu() })

describe("chooseBackend: a GPU", () => {
  test("by itself it takes one that is faster, and says by how much", async () => {
    const { backend, reason } = await choose("auto", () => deviceOf(0))
    expect(backend.name).toBe("gpu")
    expect(reason).toMatch(
      /^gpu \(fake\): faster, a product of one row takes \S+ ms against \S+, of 128 \S+ against \S+; the rest by (x64|onnx)/,
    )
    backend.close()
    expect(arena.usedBytes).toBe(0)
  })

  test("one that is slower, is software, computes wrongly or cannot be opened is left alone, and it says why", async () => {
    const broken = (): FakeDevice => {
      throw new Error("gpu: expected an adapter, found none")
    }
    const cases = [
      [() => deviceOf(20), true, /no gpu: fake is slower, a product of one row takes \d+ ms against/],
      [() => deviceOf(0, true), true, /no gpu: fake is computed by the processor$/],
      [() => deviceOf(0), false, /no gpu: self-test of fake: /],
      [broken, true, /no gpu: gpu: expected an adapter, found none$/],
    ] as const
    for (const [open, isTested, why] of cases) {
      const { backend, reason, isSecondBest } = await choose("auto", open, isTested)
      expect(backend.name).not.toBe("gpu")
      expect(reason).toMatch(why)
      expect(isSecondBest).toBe(false)
      backend.close()
      expect(arena.usedBytes).toBe(0)
    }
  })

  test("one that is asked for is taken though it is slower; where it cannot be, that is an error", async () => {
    const { backend, reason } = await choose("gpu", () => deviceOf(20, true))
    expect(reason).toMatch(/^gpu \(fake, computed by the processor\): as asked; the rest by (x64|onnx)/)
    backend.close()
    expect(choose("gpu", () => deviceOf(0), false)).rejects.toThrow(/self-test of fake: .+; try --backend auto$/)
  })

  test("one that is lost again and again is left for longer each time, unless faults are injected: they say nothing of it", async () => {
    const waitAfter = async (enablesFaults: boolean): Promise<number> => {
      const openGpu = async (): Promise<FakeDevice> => createFakeDevice(arena)
      const chosen = await chooseBackend(arena, {
        backend: "gpu",
        numThreads: 1,
        isTested: true,
        enablesFaults,
        openGpu,
      })
      const { tier, endHost, beginStep, close } = (chosen as ChosenTier).tiered
      let waitMs = 0
      for (let n = 0; n < 6; n++) {
        endHost!()
        expect(() => beginStep!()).toThrow("lost")
        waitMs = tier.tend()
        setSystemTime(Date.now() + Math.ceil(waitMs))
        expect(tier.tend()).toBe(Number.POSITIVE_INFINITY)
        expect(tier.state).toBe("in-use")
      }
      close()
      return waitMs
    }
    try {
      setSystemTime(1_000_000)
      expect(await waitAfter(false)).toBeGreaterThan(7000)
      expect(await waitAfter(true)).toBeLessThan(600)
    } finally {
      setSystemTime()
    }
  })
})
