/** A real model with experts, on a GPU: its answer is the processor's, up to near-ties. */
import { afterAll, expect, test } from "bun:test"
import type { Backend } from "@consilium/kernels"
import { createTransformer } from "../src/index.ts"
import { generateGreedy } from "./generateGreedy.ts"
import { BACKENDS, withBackend, withPrepared } from "./openForTest.ts"
import { openGpu } from "./openGpu.ts"
import { readExpected, smollm2Dir, withVariant } from "./smollm2Variants.ts"

/** Logits of 8-bit products that are closer than this may change places: their scales are multiplied in another order. */
const NEAR_TIE = 1e-2
/** Few: a software adapter takes a second for each. */
const NUM_PROMPT_IDS = 4
const NUM_IDS = 2

const gpu = openGpu()
afterAll(() => {
  gpu?.close()
  gpu?.arena.close()
})

test.skipIf(gpu === undefined || smollm2Dir === undefined)(
  "gpu: carved SmolLM2 in int8 answers as on the processor",
  () =>
    withVariant("carved", (dir) =>
      withPrepared(dir, "int8", (prepared) => {
        const prompt = readExpected().prompts.completion!.ids.slice(0, NUM_PROMPT_IDS)
        const answer = (backend: Backend) => {
          const transformer = createTransformer({ prepared, backend, numSlots: 1, capacity: 64, maxRows: 64 })
          const generated = generateGreedy(transformer, prompt, { numIds: NUM_IDS })
          transformer.close()
          return generated
        }
        const expected = withBackend(BACKENDS.at(-1)!, answer)
        const { ids } = answer(gpu!)
        const other = expected.ids.findIndex((id, i) => ids[i] !== id)
        if (other >= 0) expect(expected.margins[other]).toBeLessThan(NEAR_TIE)
      }),
    ),
  300_000,
)
