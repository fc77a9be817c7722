import { expect, test } from "bun:test"
import fc from "fast-check"
import { createExpertLoad, loadImbalance, observeLoad, tokenShares } from "./index.ts"

test("ExpertLoad: the first steps count alike, later ones fade, and layers are apart", () => {
  const load = createExpertLoad(2, 2, 0.25)
  for (const tokens of [8, 4, 0]) observeLoad(load, 1, [tokens, 1])
  expect([...load.tokens]).toEqual([0, 0, 4, 1])
  for (let step = 0; step < 60; step++) observeLoad(load, 1, [2, 3])
  expect(load.tokens[2]).toBeCloseTo(2, 6)
  expect(load.tokens[3]).toBeCloseTo(3, 6)
})

test("ExpertLoad: times are averaged beside the tokens, and left alone where none are given", () => {
  const load = createExpertLoad(1, 2)
  observeLoad(load, 0, [1, 0], [4, 0])
  observeLoad(load, 0, [1, 0])
  expect([...load.timesMs]).toEqual([4, 0])
})

test("ExpertLoad: imbalance is from 1 to E, and shares add up to 1, also before the first token", () => {
  const tokensArb = fc.array(fc.nat({ max: 50 }), { minLength: 8, maxLength: 8 })
  fc.assert(
    fc.property(fc.array(tokensArb, { maxLength: 10 }), (steps) => {
      const load = createExpertLoad(1, 8)
      for (const tokens of steps) observeLoad(load, 0, tokens)
      const shares = new Float64Array(8)
      tokenShares(shares, load, 0)
      const most = Math.max(...shares)
      expect(shares.reduce((sum, share) => sum + share, 0)).toBeCloseTo(1, 9)
      expect(loadImbalance(load, 0)).toBeCloseTo(8 * most, 9)
    }),
  )
})
