import { expect, test } from "bun:test"
import { gainOf } from "./figuresOf.ts"

test("gainOf: times better, whichever way is better, and nothing where there was nothing", () => {
  expect(gainOf({ isLowerBetter: true }, [2300, 780])).toBe("2.9×")
  expect(gainOf({ isLowerBetter: false }, [50, 220])).toBe("4.4×")
  expect(gainOf({ isLowerBetter: false }, [0, 16])).toBe("")
})
