/** A step allocates nothing: a collector would take the cores from the kernels, and what it frees has pushed weights out of the caches. */
import { composeBackends, createReferenceBackend } from "@consilium/kernels"
import { miniModelDir } from "@consilium/testing"
import { expect, test } from "bun:test"
import { heapStats } from "bun:jsc"
import { createTransformer, type Transformer } from "../src/index.ts"
import { BACKENDS, withBackend, withPrepared } from "./openForTest.ts"

const NUM_SLOTS = 2
const NUM_STEPS = 50
const slots = Array.from({ length: NUM_SLOTS }, (_, slotId) => ({
  slotId,
  firstRow: slotId,
  numRows: 1,
  pastLength: 0,
  wantsLogits: true,
}))
const batch = { numRows: NUM_SLOTS, ids: new Int32Array(NUM_SLOTS), slots }

function runSteps(transformer: Transformer, numSteps: number): void {
  for (let step = 0; step < numSteps; step++) {
    for (let s = 0; s < NUM_SLOTS; s++) {
      batch.ids[s] = 1 + ((step * 7 + s * 3) % 200)
      slots[s]!.pastLength = step
    }
    transformer.run(batch)
  }
}

/** Objects of any kind, those not yet collected included. */
function countObjects(): number {
  return Object.values(heapStats().objectTypeCounts).reduce((sum, count) => sum + count, 0)
}

/** Returns how many objects there are more after `numSteps` steps: the least of several rounds, for compilers make some too, now and then. */
function countNewObjects(transformer: Transformer, numSteps: number): number {
  let least = Number.POSITIVE_INFINITY
  for (let round = 0; round < 4; round++) {
    Bun.gc(true)
    const before = countObjects()
    runSteps(transformer, numSteps)
    least = Math.min(least, countObjects() - before)
  }
  return least
}

test.skipIf(!BACKENDS.includes("x64"))(
  "x64: a step of a whole model allocates no object, in any format",
  async () => {
    for (const format of ["f32", "int8", "int4"] as const) {
      await withPrepared(miniModelDir(), format, (prepared) =>
        withBackend("x64", (x64) => {
          const backend = composeBackends(x64.arena, [x64, createReferenceBackend(x64.arena)])
          const transformer = createTransformer({
            prepared,
            backend,
            numSlots: NUM_SLOTS,
            capacity: NUM_STEPS,
            maxRows: NUM_SLOTS,
          })
          // Without a step there are those of the counting itself.
          const perStep = (countNewObjects(transformer, NUM_STEPS) - countNewObjects(transformer, 0)) / NUM_STEPS
          expect(perStep, format).toBeLessThan(0.5)
          transformer.close()
        }),
      )
    }
  },
  60_000,
)
