/** A real model with experts, on a GPU: its answer is transformers', up to near-ties. */
import { afterAll, test } from "bun:test"
import { composeBackends, createReferenceBackend } from "@consilium/kernels"
import { createTransformer } from "../src/index.ts"
import { generateGreedy } from "./generateGreedy.ts"
import { withPrepared } from "./openForTest.ts"
import { openGpu } from "./openGpu.ts"
import { compareGreedy, readExpected, smollm2Dir, withVariant } from "./smollm2Variants.ts"

const gpu = openGpu()
afterAll(() => {
  gpu?.close()
  gpu?.arena.close()
})

test.skipIf(gpu === undefined || smollm2Dir === undefined)(
  "gpu: carved SmolLM2 answers as the processor does",
  () =>
    withVariant("carved", (dir) =>
      withPrepared(dir, "f32", (prepared) => {
        const backend = composeBackends(gpu!.arena, [gpu!, createReferenceBackend(gpu!.arena)])
        const transformer = createTransformer({ prepared, backend, numSlots: 1, capacity: 64, maxRows: 64 })
        const { prompts, greedy } = readExpected()
        const numIds = greedy.carved!.capital!.ids.length
        compareGreedy("carved", "capital", generateGreedy(transformer, prompts.capital!.ids, { numIds }).ids)
        transformer.close()
      }),
    ),
  300_000,
)
