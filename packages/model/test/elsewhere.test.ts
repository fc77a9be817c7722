/** A step whose rows lie elsewhere gives the bits of one whose rows lie in the arena, and is waited for once. */
import { describe, expect, test } from "bun:test"
import { residentExperts } from "@consilium/experts"
import { type Backend, createArena, createReferenceBackend, planExpertSlab, type Slab } from "@consilium/kernels"
import { fixturePath } from "@consilium/testing"
import { join } from "node:path"
import {
  computeLogits,
  createTransformer,
  type ModelExperts,
  type PreparedModel,
  SHORTLIST_LENGTH,
  type SlabEntry,
  type Transformer,
} from "../src/index.ts"
import { createElsewhereBackend, type ElsewhereBackend } from "./createElsewhereBackend.ts"
import { withPrepared } from "./openForTest.ts"

const FAMILIES = ["llama", "mixtral", "olmoe", "qwen2_moe", "qwen3_moe-mixed"] as const
const PROMPT = [5, 3, 8, 1, 9, 2, 7]

const withBoth = (
  family: string,
  routes: boolean,
  body: (prepared: PreparedModel, backends: [ElsewhereBackend, Backend]) => void,
) => {
  const arena = createArena()
  const backends: [ElsewhereBackend, Backend] = [createElsewhereBackend(arena, routes), createReferenceBackend(arena)]
  return withPrepared(join(fixturePath("checkpoints"), family), "f32", (prepared) => body(prepared, backends)).finally(
    () => {
      for (const backend of backends) backend.close()
      arena.close()
    },
  )
}

describe.each(FAMILIES)("%s", (family) => {
  test.each([
    ["there", true],
    ["here", false],
  ])("routed %s: what an observer sees of each layer, and all logits, in one piece and in chunks", (_, routes) =>
    withBoth(family, routes, (prepared, backends) => {
      for (const chunkRows of [PROMPT.length, 3]) {
        const [found, expected] = backends.map((backend) => computeLogits(prepared, backend, [PROMPT], chunkRows))
        expect(found).toEqual(expected)
      }
    }),
  )

  test("a token, also from a prefix that was copied, in one go: how it was routed is known after the step, which was waited for once", () =>
    withBoth(family, true, (prepared, backends) => {
      const [found, expected] = backends.map((backend) => {
        const transformer = createTransformer({ prepared, backend, numSlots: 2, capacity: 16, maxRows: 8 })
        const results = [run(transformer, 0, PROMPT, 0)]
        const before = backends[0].numSyncs
        transformer.copyPrefix(0, 1, 5)
        results.push(run(transformer, 1, [4], 5), run(transformer, 0, [4], 7))
        if (backend === backends[0]) expect(backends[0].numSyncs - before).toBe(3)
        transformer.close()
        return results
      })
      expect(found).toEqual(expected)
    }))

  test("who observes a layer's routing is shown it, and its logits, on a backend that routes by itself too", () =>
    withBoth(family, true, (prepared, backends) => {
      const [found, expected] = backends.map((backend) => {
        const seen: number[][] = []
        const experts: ModelExperts = {
          source: (layer) => sources[layer]!,
          options: () => ({}),
          observeRouting: (layer, { expertIds, topK }, logits) =>
            seen.push([layer, ...expertIds.subarray(0, PROMPT.length * topK), ...logits.subarray(0, PROMPT.length)]),
          wantsForesight: () => false,
          foresee: () => {},
        }
        const sources = prepared.layers.map(({ experts: own }) => residentExperts(openExperts(prepared, backend, own)))
        const transformer = createTransformer({ prepared, backend, numSlots: 1, capacity: 16, maxRows: 8, experts })
        run(transformer, 0, PROMPT, 0)
        transformer.close()
        return seen
      })
      expect(found).toEqual(expected)
    }))

  test("a short list has the best of the logits, which are then not read", () =>
    withBoth(family, true, (prepared, [backend]) => {
      const transformer = createTransformer({ prepared, backend, numSlots: 1, capacity: 16, maxRows: 8 })
      const { logits } = run(transformer, 0, PROMPT, 0)
      expect(transformer.shortlist(0)).toBeUndefined()
      const slot = { slotId: 0, firstRow: 0, numRows: PROMPT.length, pastLength: 0, wantsLogits: true }
      transformer.run({ numRows: PROMPT.length, ids: Int32Array.from(PROMPT), slots: [slot], wantsShortlists: true })
      const ids = [...logits.keys()].sort((a, b) => logits[b]! - logits[a]! || a - b).slice(0, SHORTLIST_LENGTH)
      const best = transformer.shortlist(0)!
      expect([[...best.ids], [...best.values]]).toEqual([ids, ids.map((id) => logits[id]!)])
      expect(transformer.logits(0)[0]).toBeNaN()
      transformer.close()
    }))
})

function openExperts(prepared: PreparedModel, backend: Backend, entries: readonly SlabEntry[]): Slab[] {
  const places = entries.map((entry) => ({ entry, span: backend.arena.allocate(entry.bytes) }))
  prepared.readSlabs(backend.arena, places, () => {})
  return places.map(({ entry: { shape }, span }) => {
    if (shape.kind !== "expert") throw new Error("expected an expert")
    return backend.openSlab(span, planExpertSlab(shape))
  })
}

/** Runs rows of one slot; returns copies of the last one's logits, and of how each layer routed. */
function run(transformer: Transformer, slotId: number, ids: readonly number[], pastLength: number) {
  const slot = { slotId, firstRow: 0, numRows: ids.length, pastLength, wantsLogits: true }
  transformer.run({ numRows: ids.length, ids: Int32Array.from(ids), slots: [slot] })
  const routings = transformer.config.layers.map((_, layer) => {
    const routing = transformer.routing(layer)
    const count = ids.length * (routing?.topK ?? 0)
    return [routing?.expertIds.slice(0, count), routing?.weights.slice(0, count)]
  })
  return { logits: transformer.logits(0).slice(), routings }
}
