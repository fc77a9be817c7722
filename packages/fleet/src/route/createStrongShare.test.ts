import { expect, test } from "bun:test"
import { createRandom } from "@consilium/tensor"
import { createStrongShare } from "./createStrongShare.ts"

/** How many of the requests go to the strong expert, after a time to get to know them. */
function shareOf(wanted: number, marginOf: (i: number, draw: number) => number): number {
  const share = createStrongShare()
  const random = createRandom(7)
  let numStrong = 0
  for (let i = 0; i < 3000; i++) {
    const isStrong = share.takes(marginOf(i, random()), wanted, `request ${i}`)
    if (i >= 1000 && isStrong) numStrong++
  }
  return numStrong / 2000
}

test.each([0.1, 0.3, 0.5, 0.9])(
  "strong share: %d of the requests go to the strong expert, whatever the router's scale",
  (wanted) => {
    expect(Math.abs(shareOf(wanted, (_, draw) => draw) - wanted)).toBeLessThan(0.04)
    expect(Math.abs(shareOf(wanted, (_, draw) => 100 * draw ** 5 - 3) - wanted)).toBeLessThan(0.04)
    expect(Math.abs(shareOf(wanted, () => 0) - wanted)).toBeLessThan(0.04)
  },
)

test("strong share: 0 takes none, 1 takes all", () => {
  expect(shareOf(0, (_, draw) => draw)).toBe(0)
  expect(shareOf(1, (_, draw) => draw)).toBe(1)
})

test("strong share: those that want the strong one most get it", () => {
  const share = createStrongShare()
  const random = createRandom(3)
  for (let i = 0; i < 600; i++) share.takes(random(), 0.3, `request ${i}`)
  expect([0.95, 0.8, 0.6, 0.1].map((margin) => share.takes(margin, 0.3, "x"))).toEqual([true, true, false, false])
})
