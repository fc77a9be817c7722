/** Every public checkpoint of a family we read, on a GPU, against transformers. */
import { afterAll, describe, expect, test } from "bun:test"
import { computeLogits, createTransformer } from "../src/index.ts"
import { generateGreedy } from "./generateGreedy.ts"
import { checkpoints, compareToGolden, type Golden, readGolden } from "./goldenCheckpoints.ts"
import { withPrepared } from "./openForTest.ts"
import { openGpu } from "./openGpu.ts"

/** Prompts come in chunks of some rows, so that most of them have a past. */
const CHUNK_ROWS = 7

const NUM_DECODED = 6

const gpu = openGpu()
afterAll(() => {
  gpu?.close()
  gpu?.arena.close()
})

describe.skipIf(gpu === undefined).each(checkpoints)("gpu: $name", ({ dir }) => {
  const golden = readGolden(dir)

  test("f32 logits, hidden states, routing and greedy ids are the reference's", () =>
    withPrepared(dir, "f32", (prepared) => {
      const ids = golden.prompts.map((prompt) => prompt.ids)
      compareToGolden(computeLogits(prepared, gpu!, ids, CHUNK_ROWS), golden)
      const transformer = createTransformer({ prepared, backend: gpu!, numSlots: 1, capacity: 80, maxRows: 64 })
      const [{ ids: prompt, greedy }] = golden.prompts as [Golden["prompts"][number]]
      const decoded = generateGreedy(transformer, prompt, { numIds: NUM_DECODED })
      expect(decoded.ids).toEqual(greedy.slice(0, NUM_DECODED))
      transformer.close()
    }))
})
