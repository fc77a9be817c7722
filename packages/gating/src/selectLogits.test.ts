import { topK } from "@consilium/tensor"
import { expect, test } from "bun:test"
import fc from "fast-check"
import { createRouteScratch, createRouting, route } from "./index.ts"
import { selectLogits } from "./selectLogits.ts"

const NONE = Number.NEGATIVE_INFINITY

test("selectLogits: what topK selects, of those above the floor", () => {
  const logit = fc.oneof(fc.integer({ min: -4, max: 4 }), fc.constant(NONE))
  fc.assert(
    fc.property(
      fc.array(logit, { minLength: 1, maxLength: 40 }),
      fc.integer({ min: 1, max: 9 }),
      fc.constantFrom(NONE, -2, 0, 3, 9),
      (values, k, floor) => {
        const row = Float32Array.from([7, 7, ...values])
        const above = Float32Array.from(values, (value) => (value > floor ? value : NONE))
        const [found, wanted] = [new Int32Array(k + 1).fill(5), new Int32Array(k + 1).fill(5)]
        const count = selectLogits(found, 1, row, 2, values.length, k, floor, new Float64Array(k))
        expect(count).toBe(topK(wanted, 1, above, values.length, k))
        expect(found).toEqual(wanted)
      },
    ),
  )
})

test("selectLogits: NaN and +Infinity are told of, wherever they are", () => {
  for (const wrong of [Number.NaN, Number.POSITIVE_INFINITY]) {
    for (let at = 0; at < 6; at++) {
      const row = Float32Array.of(3, 2, 1, 0, -1, -2)
      row[at] = wrong
      expect(selectLogits(new Int32Array(2), 0, row, 0, 6, 2, NONE, new Float64Array(2))).toBe(-1)
      expect(selectLogits(new Int32Array(2), 0, row, 0, 6, 2, 9, new Float64Array(2))).toBe(-1)
    }
  }
})

test("route: a token's experts do not depend on the token before it, far above it or far below", () => {
  const numExperts = 16
  const config = { kind: "top-k", topK: 4, score: "softmax", normalizesWeights: true } as const
  const token = fc.tuple(
    fc.array(fc.integer({ min: -9, max: 9 }), { minLength: 16, maxLength: 16 }),
    fc.integer({ min: -100, max: 100 }),
  )
  fc.assert(
    fc.property(fc.array(token, { minLength: 1, maxLength: 8 }), (tokens) => {
      const logits = Float32Array.from(tokens.flatMap(([row, shift]) => row.map((value) => value + shift)))
      const scratch = createRouteScratch(numExperts)
      const together = route(createRouting(tokens.length, 4), logits, tokens.length, config, scratch)
      for (let t = 0; t < tokens.length; t++) {
        const row = logits.slice(t * numExperts, (t + 1) * numExperts)
        const alone = route(createRouting(1, 4), row, 1, config, scratch)
        expect([...together.expertIds.subarray(4 * t, 4 * t + 4)]).toEqual([...alone.expertIds])
        expect([...together.weights.subarray(4 * t, 4 * t + 4)]).toEqual([...alone.weights])
      }
    }),
  )
})
