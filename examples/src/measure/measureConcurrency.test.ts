import { expect, test } from "bun:test"
import type { Contender } from "./Contender.ts"
import { type Concurrency, measureConcurrency } from "./measureConcurrency.ts"
import { percentile } from "./percentile.ts"

/** Says that an answer took so many ms for each that is under way. */
function contenderOf(msEach: number, onAsked: () => void = () => {}): Contender {
  let numUnderWay = 0
  return {
    numParameters: 1,
    numActiveParameters: 1,
    async answer(_, generatedTokens) {
      onAsked()
      numUnderWay++
      await Promise.resolve()
      const ms = msEach * numUnderWay
      await Promise.resolve()
      numUnderWay--
      return { ms, generatedTokens }
    },
    close: async () => {},
  }
}

const options = { numTokens: 4, boundMs: 250, mostStreams: 64, rounds: 2 }

test("measureConcurrency: the most streams that keep the bound are found between the doublings", async () => {
  const [{ levels, best }] = (await measureConcurrency([contenderOf(10)], [[]], options)) as [Concurrency]
  expect(levels.map(({ numStreams }) => numStreams)).toEqual([1, 2, 4, 8, 16, 32, 32, 24, 28, 28])
  expect(best?.numStreams).toBe(24)
  expect(best?.p95Ms).toBeLessThanOrEqual(250)
})

test("measureConcurrency: contenders take turns, and each ends by itself", async () => {
  const asked: string[] = []
  const contenders = [contenderOf(10, () => asked.push("slow")), contenderOf(2, () => asked.push("fast"))]
  const found = await measureConcurrency(contenders, [[]], { ...options, rounds: 1 })
  expect(found.map(({ best }) => best?.numStreams)).toEqual([24, 64])
  expect(asked.slice(0, 6)).toEqual(["slow", "fast", "slow", "slow", "fast", "fast"])
})

test("measureConcurrency: it ends at the most that are tried, and says where not even one keeps the bound", async () => {
  const bestOf = async (change: object): Promise<number | undefined> =>
    (await measureConcurrency([contenderOf(10)], [[]], { ...options, ...change }))[0]!.best?.numStreams
  expect(await bestOf({ mostStreams: 8 })).toBe(8)
  expect(await bestOf({ boundMs: 1 })).toBeUndefined()
})

test("percentile: is a sample, none is an error", () => {
  expect(percentile([3, 1, 2], 0.5)).toBe(2)
  expect(percentile([3, 1, 2], 0.95)).toBe(3)
  expect(() => percentile([], 0.5)).toThrow("expected samples")
})
