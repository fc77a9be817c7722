/** Every public checkpoint of a family we read, on every backend, against transformers. Drop another into the directory and it is tested too. */
import { describe, expect, test } from "bun:test"
import { computeLogits, createTransformer, type NamedTensor, type PreparedModel } from "../src/index.ts"
import { generateGreedy } from "./generateGreedy.ts"
import { checkpoints, compareToGolden, readGolden } from "./goldenCheckpoints.ts"
import { BACKENDS, withBackend, withPrepared } from "./openForTest.ts"

describe.each(checkpoints)("$name", ({ dir }) => {
  const golden = readGolden(dir)
  const { prompts } = golden
  const ids = prompts.map((prompt) => prompt.ids)

  for (const name of BACKENDS) {
    const run = (body: (prepared: PreparedModel, logitsOf: (chunkRows?: number) => NamedTensor[]) => void) =>
      withPrepared(dir, "f32", (prepared) =>
        withBackend(name, (backend) => body(prepared, (chunkRows) => computeLogits(prepared, backend, ids, chunkRows))),
      )

    test(`${name}: f32 logits, hidden states and routing are the reference's`, () =>
      run((_, logitsOf) => {
        const tensors = logitsOf()
        expect(tensors.map((tensor) => tensor.name).sort()).toEqual([...golden.tensors.keys()].sort())
        compareToGolden(tensors, golden)
      }))

    test(`${name}: prefill in chunks and token by token agree with it in one piece`, () =>
      run((_, logitsOf) => {
        for (const chunkRows of [1, 3, 16]) compareToGolden(logitsOf(chunkRows), golden)
      }))

    test(`${name}: greedy decoding gives the reference's ids`, () =>
      withPrepared(dir, "f32", (prepared) =>
        withBackend(name, (backend) => {
          const transformer = createTransformer({ prepared, backend, numSlots: 1, capacity: 80, maxRows: 64 })
          for (const prompt of prompts) {
            expect(generateGreedy(transformer, prompt.ids, { numIds: prompt.greedy.length }).ids).toEqual(prompt.greedy)
          }
          transformer.close()
        }),
      ))
  }
})
