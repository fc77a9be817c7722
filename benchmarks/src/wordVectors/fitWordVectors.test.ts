import { createRandom } from "@consilium/tensor"
import { expect, test } from "bun:test"
import { fitWordVectors, type Lessons, nearness } from "./fitWordVectors.ts"
import { principalAxes, project } from "./principalAxes.ts"

test("principalAxes: finds the directions in which vectors differ most, in their order, and projects on them", () => {
  const random = createRandom(3)
  const spread = (): number => random() - 0.5
  // Along (1, 1) by 10, across by 1, by nothing else.
  const vectors = Float32Array.from(
    Array.from({ length: 500 }, () => [10 * spread(), spread()]).flatMap(([along, across]) => [
      along! + across!,
      along! - across!,
      0,
    ]),
  )
  const axes = principalAxes(vectors, 3, 2, random)
  for (const [i, value] of [Math.SQRT1_2, Math.SQRT1_2, 0].entries())
    expect(Math.abs(axes[0]![i]!)).toBeCloseTo(value, 1)
  expect(axes[0]!.reduce((sum, value, i) => sum + value * axes[1]![i]!, 0)).toBeCloseTo(0)
  expect(Math.abs(project(Float32Array.of(2, 2, 5), 3, axes)[0]!)).toBeCloseTo(Math.sqrt(8), 1)
})

test("fitWordVectors: sums of words come to where the teacher puts texts, words of no text stay, and the seed decides all", () => {
  const random = createRandom(5)
  const numWords = 20
  const size = 4
  const own = Float32Array.from({ length: numWords * size }, () => random() - 0.5)
  const texts = Array.from({ length: 2000 }, () =>
    Array.from({ length: 3 }, () => Math.floor(random() * (numWords - 1))),
  )
  const targets = Float32Array.from(
    texts.flatMap((words) =>
      Array.from({ length: size }, (_, i) => words.reduce((sum, word) => sum + own[word * size + i]!, 0)),
    ),
  )
  const lessons: Lessons = { texts, targets }
  const start = Float32Array.from({ length: numWords * size }, () => random() - 0.5)
  const fit = (): Float32Array => {
    const vectors = start.slice()
    fitWordVectors(vectors, size, lessons, createRandom(1))
    return vectors
  }
  const vectors = fit()
  expect(nearness(start, size, lessons)).toBeLessThan(0.5)
  expect(nearness(vectors, size, lessons)).toBeGreaterThan(0.9)
  expect(vectors.slice(-size)).toEqual(start.slice(-size))
  expect(fit()).toEqual(vectors)
})
