import { expect, test } from "bun:test"
import fc from "fast-check"
import { splitSentences } from "./splitSentences.ts"

test("splitSentences: English and Chinese sentences end, numbers, addresses and short forms do not", () => {
  expect(splitSentences('Pay 3.5 % at a.example.com. "Really?" Yes! 好的。谢谢！再见')).toEqual([
    "Pay 3.5 % at a.example.com.",
    '"Really?"',
    "Yes!",
    "好的。",
    "谢谢！",
    "再见",
  ])
  expect(splitSentences("Ask Dr. Silva.\n\n- one\n- two")).toEqual(["Ask Dr. Silva.", "- one", "- two"])
  expect(splitSentences(" \n ")).toEqual([])
})

test("splitSentences: loses no letter, whatever the text", () => {
  const letters = (text: string): string => text.replaceAll(/\s/gu, "")
  fc.assert(
    fc.property(fc.string({ unit: fc.constantFrom(...'ab.?! \n。！”"7Dr'), maxLength: 60 }), (text) => {
      expect(letters(splitSentences(text).join(" "))).toBe(letters(text))
    }),
  )
})
