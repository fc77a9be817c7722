import { expect, test } from "bun:test"
import fc from "fast-check"
import { cutDocument } from "./cutDocument.ts"

test("cutDocument: pieces have the headings above them, and code's hashes are no headings", () => {
  const text =
    "Intro.\n# Cards\n## Lost ##\nBlock it.\n\nCall us.\n```sh\n# no heading\n```\n## New\nWait.\n## Later\n# Loans\nAsk."
  expect(cutDocument(text, "markdown")).toEqual([
    { headings: [], text: "Intro." },
    { headings: ["Cards", "Lost"], text: "Block it.\n\nCall us.\n```sh\n# no heading\n```" },
    { headings: ["Cards", "New"], text: "Wait." },
    { headings: ["Cards", "Later"], text: "Later" },
    { headings: ["Loans"], text: "Ask." },
  ])
  expect(cutDocument("# A\ntext", "text")).toEqual([{ headings: [], text: "# A\ntext" }])
  expect(cutDocument(" \n\n", "markdown")).toEqual([])
})

test("cutDocument: a long section is cut between paragraphs and sentences, the last short one said again", () => {
  const sentence = (i: number): string =>
    `Sentence ${i} says something about the matter at hand, ${"in many words ".repeat(3)}ends.`
  const text = Array.from({ length: 30 }, (_, i) => sentence(i)).join(" ")
  const pieces = cutDocument(text, "text")
  expect(pieces.length).toBeGreaterThan(3)
  for (const [i, piece] of pieces.entries()) {
    expect(piece.text.length).toBeLessThanOrEqual(4 * 180)
    const before = pieces[i - 1]
    if (before !== undefined) expect(before.text.endsWith(/^.*?ends\./.exec(piece.text)![0])).toBe(true)
  }
  const chinese = cutDocument("退款在三天内到账，请耐心等待。".repeat(60), "text")
  expect(Math.max(...chinese.map((piece) => piece.text.length))).toBeLessThanOrEqual(180 + 30)
})

test("cutDocument: every word of a document is in some piece, and no piece is long", () => {
  const word = fc.oneof(
    fc.constantFrom("a", "kettle.", "退款政策。", "x".repeat(900), "\n\n", "\n# h\n"),
    fc.string({ unit: "grapheme", maxLength: 9 }),
  )
  fc.assert(
    fc.property(
      fc.array(word, { maxLength: 200 }),
      fc.constantFrom("markdown" as const, "text" as const),
      (words, format) => {
        const text = words.join(" ")
        const pieces = cutDocument(text, format)
        for (const piece of pieces) {
          expect(piece.text.trim()).not.toBe("")
          expect([...piece.text].length).toBeLessThanOrEqual(4 * 240)
        }
        const all = pieces.flatMap((piece) => [...piece.headings, piece.text]).join(" ")
        const letters = new Set(all.replaceAll(/\s/gu, ""))
        for (const letter of text.replaceAll(/[\s#`~]/gu, "")) expect(letters.has(letter)).toBe(true)
      },
    ),
    { numRuns: 60 },
  )
})
