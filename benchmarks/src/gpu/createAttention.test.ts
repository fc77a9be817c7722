import { expect, test } from "bun:test"
import { createArena, createReferenceBackend } from "@consilium/kernels"
import { type AttentionWork, countAttention, createAttention } from "./createAttention.ts"

const SIZES = {
  hiddenSize: 64,
  expertIntermediateSize: 32,
  numExperts: 4,
  topK: 2,
  numHeads: 4,
  numKvHeads: 2,
  headDim: 32,
}
const DECODE: AttentionWork = { cacheFormat: "f32", numSlots: 2, numRowsEach: 1, pastLength: 5, numCaches: 3 }

test.each(["f32", "bf16/16"] as const)(
  "createAttention: sequences take turns, each with its own past, in %s",
  (cacheFormat) => {
    const arena = createArena()
    try {
      const { run, output } = createAttention(createReferenceBackend(arena), SIZES, { ...DECODE, cacheFormat })
      const outputs = [0, 1].map(() => {
        run()
        return output.slice()
      })
      expect(outputs.every((values) => values.every(Number.isFinite))).toBe(true)
      expect(outputs[0]).not.toEqual(outputs[1]!)
    } finally {
      arena.close()
    }
  },
)

test("countAttention: each row sees its past and itself; keys and values are read once a sequence", () => {
  expect(countAttention(SIZES, DECODE)).toEqual({ ops: 2 * 6 * 4 * 32 * 4, bytes: 2 * 6 * 2 * 32 * 2 * 4 })
  const chunk = { ...DECODE, cacheFormat: "bf16/16", numSlots: 1, numRowsEach: 3, pastLength: 0 } as const
  expect(countAttention(SIZES, chunk)).toEqual({ ops: 6 * 4 * 32 * 4, bytes: 3 * 2 * 32 * 2 * 2 })
})
