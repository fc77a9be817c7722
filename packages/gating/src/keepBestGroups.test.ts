import { expect, test } from "bun:test"
import fc from "fast-check"
import { MIXTRAL, routeLogits } from "../test/routeLogits.ts"
import type { RouterConfig } from "./index.ts"

test("keepBestGroups: the best groups are kept, ties to the lower, and as many more as a token needs", () => {
  const row = fc.array(fc.integer({ min: 0, max: 5 }), { minLength: 12, maxLength: 12 })
  const mask = fc.array(fc.constantFrom(0, 1, 1, 1), { minLength: 12, maxLength: 12 })
  const shape = fc.record({
    numGroups: fc.constantFrom(2, 3, 4, 6),
    numKept: fc.integer({ min: 1, max: 2 }),
    score: fc.constantFrom("best" as const, "two-best" as const),
  })
  fc.assert(
    fc.property(row, mask, shape, (values, availability, groups) => {
      const config: RouterConfig = { ...MIXTRAL, score: "sigmoid", groups }
      const { expertIds } = routeLogits([values], config, { availability: Uint8Array.from(availability) })
      const size = 12 / groups.numGroups
      const scoreOf = (e: number): number => 1 / (1 + Math.exp(-values[e]!))
      const alive = Array.from({ length: groups.numGroups }, (_, g) =>
        Array.from({ length: size }, (_, i) => g * size + i)
          .filter((e) => availability[e] === 1)
          .sort((a, b) => values[b]! - values[a]! || a - b),
      )
      const worth = (group: readonly number[]): number =>
        group.slice(0, groups.score === "best" ? 1 : 2).reduce((sum, e) => sum + scoreOf(e), 0)
      const open: number[] = []
      for (const [rank, group] of alive
        .filter(({ length }) => length > 0)
        .sort((a, b) => worth(b) - worth(a))
        .entries())
        if (rank < groups.numKept || open.length < 2) open.push(...group)
      const best = open.toSorted((a, b) => values[b]! - values[a]! || a - b).slice(0, 2)
      expect([...expertIds]).toEqual([...best, -1, -1].slice(0, 2))
    }),
    { numRuns: 300 },
  )
})
