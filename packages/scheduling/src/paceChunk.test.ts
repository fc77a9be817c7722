import { describe, expect, test } from "bun:test"
import { paceChunk } from "./index.ts"

/** Drives steps of a machine that takes `fixedMs + msPerRow * rows`, each chunk as large as allowed; returns where the rows settle. */
function settle(
  { fixedMs, msPerRow, decodeMs }: { fixedMs: number; msPerRow: number; decodeMs: number },
  from = 128,
  maxRows = 512,
): number {
  let maxChunkRows = from
  for (let step = 0; step < 30; step++) {
    const stepMs = decodeMs + fixedMs + msPerRow * maxChunkRows
    maxChunkRows = paceChunk({ maxRows, maxChunkRows }, { chunkRows: maxChunkRows, stepMs, decodeMs })
  }
  return maxChunkRows
}

describe("paceChunk", () => {
  test("on a fast machine a chunk fills the step", () => {
    expect(settle({ fixedMs: 0, msPerRow: 0.08, decodeMs: 2 })).toBe(512)
  })

  test("a step with a prefill takes 50 ms", () => {
    const rows = settle({ fixedMs: 10, msPerRow: 0.15, decodeMs: 5 })
    expect(5 + 10 + 0.15 * rows).toBeGreaterThan(45)
    expect(5 + 10 + 0.15 * rows).toBeLessThanOrEqual(50)
    expect(Math.abs(settle({ fixedMs: 10, msPerRow: 0.15, decodeMs: 5 }, 512) - rows)).toBeLessThan(5)
  })

  test("where decoding itself is slow, it takes four times as long", () => {
    const rows = settle({ fixedMs: 20, msPerRow: 1.5, decodeMs: 113 })
    expect(Math.abs(113 + 20 + 1.5 * rows - 4 * 113)).toBeLessThan(15)
  })

  test("chunks stay large enough to be worth the weights that they read, and within the step", () => {
    expect(settle({ fixedMs: 200, msPerRow: 2, decodeMs: 18 }, 512)).toBe(128)
    expect(settle({ fixedMs: 200, msPerRow: 2, decodeMs: 18 }, 64, 64)).toBe(64)
  })

  test("a small chunk says nothing of larger ones, a slow one makes them smaller by half at most", () => {
    const budget = { maxRows: 512, maxChunkRows: 400 }
    expect(paceChunk(budget, { chunkRows: 20, stepMs: 3, decodeMs: 2 })).toBe(400)
    expect(paceChunk(budget, { chunkRows: 20, stepMs: 900, decodeMs: 2 })).toBe(400)
    // Of less than it might have had, but half of it: fast says nothing, slow does.
    expect(paceChunk(budget, { chunkRows: 300, stepMs: 10, decodeMs: 2 })).toBe(400)
    expect(paceChunk(budget, { chunkRows: 300, stepMs: 100, decodeMs: 2 })).toBe(150)
    expect(paceChunk(budget, { chunkRows: 400, stepMs: 50, decodeMs: 2 })).toBe(400)
    expect(paceChunk(budget, { chunkRows: 400, stepMs: 9000, decodeMs: 2 })).toBe(200)
  })
})
