import { expect, test } from "bun:test"
import fc from "fast-check"
import { cutText } from "./cutText.ts"

const countWords = (text: string): number => text.split(/\s+/).filter(Boolean).length

test("cutText: leaves alone what fits", () => {
  expect(cutText("one two three", 3, countWords)).toBe("one two three")
})

test("cutText: stays within the tokens, its mark among them", () => {
  expect(cutText("a b c d e f g h", 5, countWords)).toBe("a b c … [cut]")
  fc.assert(
    fc.property(fc.string({ unit: "grapheme", maxLength: 400 }), fc.integer({ min: 8, max: 50 }), (text, most) => {
      const cut = cutText(text, most, (part) => Buffer.byteLength(part) / 3)
      expect(Buffer.byteLength(cut) / 3).toBeLessThanOrEqual(most)
      expect(cut.isWellFormed()).toBe(text.isWellFormed())
    }),
  )
})

test("cutText: does not count a text that is far too long", () => {
  let counted = 0
  cutText("x".repeat(10_000_000), 10, (text) => {
    counted += text.length
    return text.length
  })
  expect(counted).toBeLessThan(1000)
})
