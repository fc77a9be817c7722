/** Every public checkpoint of a family we read, on a GPU, against transformers. */
import { afterAll, describe, expect, test } from "bun:test"
import { composeBackends, createReferenceBackend } from "@consilium/kernels"
import { computeLogits, createTransformer } from "../src/index.ts"
import { generateGreedy } from "./generateGreedy.ts"
import { checkpoints, compareToGolden, readGolden } from "./goldenCheckpoints.ts"
import { withPrepared } from "./openForTest.ts"
import { openGpu } from "./openGpu.ts"

const gpu = openGpu()
afterAll(() => {
  gpu?.close()
  gpu?.arena.close()
})

describe.skipIf(gpu === undefined).each(checkpoints)("gpu: $name", ({ dir }) => {
  const golden = readGolden(dir)

  test("f32 logits, hidden states, routing and greedy ids are the reference's, in one piece and in chunks", () =>
    withPrepared(dir, "f32", (prepared) => {
      const backend = composeBackends(gpu!.arena, [gpu!, createReferenceBackend(gpu!.arena)])
      const ids = golden.prompts.map((prompt) => prompt.ids)
      for (const chunkRows of [Number.POSITIVE_INFINITY, 3])
        compareToGolden(computeLogits(prepared, backend, ids, chunkRows), golden)
      const transformer = createTransformer({ prepared, backend, numSlots: 1, capacity: 80, maxRows: 64 })
      for (const { ids: prompt, greedy } of golden.prompts)
        expect(generateGreedy(transformer, prompt, { numIds: greedy.length }).ids).toEqual(greedy)
      transformer.close()
    }))
})
