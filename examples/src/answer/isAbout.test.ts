import { expect, test } from "bun:test"
import { isAbout, isSum } from "./isAbout.ts"

test("isAbout: two words and half of the question must stand in the passage, endings apart", () => {
  expect(isAbout("What does parking cost?", "Parking costs 1.50 an hour.")).toBe(true)
  expect(isAbout("How do I cancel my order?", "15 % off on one order in the month of a birthday")).toBe(false)
  expect(isAbout("When does the sales day of your shop in Paris begin?", "The sales day")).toBe(false)
  expect(isAbout("And you?", "And you?")).toBe(false)
})

test("isSum: arithmetic in signs or words, and nothing that only has a number", () => {
  for (const text of ["990 + 350", "2300 plus 12", "6.9% of 5000", "310.50*12"]) expect(isSum(text)).toBe(true)
  for (const text of ["order 55120", "post 901-a", "on 27 November"]) expect(isSum(text)).toBe(false)
})
