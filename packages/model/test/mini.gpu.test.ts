/** The embedded model on a GPU: its greedy text is the processor's, up to near-ties. */
import { afterAll, expect, test } from "bun:test"
import { createReferenceBackend } from "@consilium/kernels"
import { miniModelDir, readFixtureJson } from "@consilium/testing"
import { join } from "node:path"
import { createTransformer, stateBytesPerPosition } from "../src/index.ts"
import { generateGreedy } from "./generateGreedy.ts"
import { withPrepared } from "./openForTest.ts"
import { openGpu } from "./openGpu.ts"

/** Logits closer than this may change places: sums are rounded in another order. */
const NEAR_TIE = 1e-3
const NUM_IDS = 6

const gpu = openGpu()
afterAll(() => {
  gpu?.close()
  gpu?.arena.close()
})

test.skipIf(gpu === undefined).each(["f32", "int8", "int4"] as const)(
  "gpu: the embedded model's greedy text in %s is the reference's, and its end leaves no slab on the device",
  (format) => {
    const { arena } = gpu!
    const { conversations } = readFixtureJson<{ conversations: { prompt_ids: number[] }[] }>(
      join(miniModelDir(), "expected.json"),
    )
    const [shortest] = conversations.map(({ prompt_ids }) => prompt_ids).sort((a, b) => a.length - b.length)
    const reference = { ...createReferenceBackend(arena), cacheFormats: gpu!.cacheFormats }
    return withPrepared(miniModelDir(), format, (prepared) => {
      const inF32 = stateBytesPerPosition(prepared, { cacheFormats: [] })
      expect(stateBytesPerPosition(prepared, gpu!)).toBe(format === "f32" ? inF32 : inF32 / 2)
      const [found, expected] = [gpu!, reference].map((backend) => {
        const transformer = createTransformer({ prepared, backend, numSlots: 1, capacity: 256, maxRows: 256 })
        const generated = generateGreedy(transformer, shortest!, { numIds: NUM_IDS })
        const { bytes } = gpu!.deviceMemory()
        transformer.close()
        const experts = prepared.layers.flatMap(({ experts: own }) => own)
        const expertBytes = experts.reduce((sum, entry) => sum + entry.bytes, 0)
        if (backend !== reference) expect(bytes - gpu!.deviceMemory().bytes).toBeGreaterThan(expertBytes)
        return generated
      }) as [ReturnType<typeof generateGreedy>, ReturnType<typeof generateGreedy>]
      const other = expected.ids.findIndex((id, i) => found.ids[i] !== id)
      if (other >= 0) expect(expected.margins[other]).toBeLessThan(NEAR_TIE)
    })
  },
  120_000,
)
