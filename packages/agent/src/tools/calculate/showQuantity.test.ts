import { expect, test } from "bun:test"
import fc from "fast-check"
import { calculate } from "./calculate.ts"
import { Exact, plain } from "./Quantity.ts"
import { showQuantity } from "./showQuantity.ts"

test("showQuantity: what is exact is read back as it was", () => {
  fc.assert(
    fc.property(
      fc.bigInt({ min: -(10n ** 29n), max: 10n ** 29n }),
      fc.integer({ min: -40, max: 40 }),
      (digits, shift) => {
        const value = new Exact(`${digits}e${shift}`)
        const shown = showQuantity(plain(value))
        expect(new Exact(shown).equals(value)).toBe(true)
        expect(calculate(shown)).toBe(shown)
      },
    ),
    { seed: 9, numRuns: 500 },
  )
})

test("showQuantity: an amount that rounds to nothing has no sign", () => {
  expect(showQuantity({ value: new Exact("-1e-9"), unit: "$", isPercent: false })).toBe("$0")
})
