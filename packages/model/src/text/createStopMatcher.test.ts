import { describe, expect, test } from "bun:test"
import fc from "fast-check"
import { createStopMatcher } from "./createStopMatcher.ts"

/** What is said by a search of the whole, character by character. */
function sayWhole(whole: string, stops: readonly string[]): { text: string; isStopped: boolean } {
  for (let end = 1; end <= whole.length; end++) {
    const ending = stops.filter((stop) => stop !== "" && whole.slice(0, end).endsWith(stop))
    if (ending.length === 0) continue
    return { text: whole.slice(0, end - Math.max(...ending.map((stop) => stop.length))), isStopped: true }
  }
  return { text: whole, isStopped: false }
}

function sayPieces(pieces: readonly string[], stops: readonly string[]): { text: string; isStopped: boolean } {
  const matcher = createStopMatcher(stops)
  let text = ""
  for (const piece of pieces) {
    const result = matcher.push(piece)
    text += result.text
    if (result.isStopped) return { text, isStopped: true }
  }
  return { text: text + matcher.flush(), isStopped: false }
}

describe("createStopMatcher", () => {
  test("any cut into pieces gives what a search of the whole gives", () => {
    const word = fc.string({ unit: fc.constantFrom("a", "b", "c"), maxLength: 12 })
    fc.assert(
      fc.property(fc.array(word, { maxLength: 8 }), fc.array(word, { maxLength: 3 }), (pieces, stops) => {
        expect(sayPieces(pieces, stops)).toEqual(sayWhole(pieces.join(""), stops))
      }),
      { numRuns: 1000 },
    )
  })

  test("the stop that is complete first counts, however the text is cut", () => {
    expect(sayPieces(["abc"], ["abc", "b"])).toEqual({ text: "a", isStopped: true })
    expect(sayPieces(["a", "b", "c"], ["abc", "b"])).toEqual({ text: "a", isStopped: true })
  })

  test("holds back no more than could become a stop", () => {
    const matcher = createStopMatcher(["END"])
    expect(["abcE", "N", "x"].map((piece) => matcher.push(piece).text)).toEqual(["abc", "", "ENx"])
  })

  test("says nothing after a stop", () => {
    const matcher = createStopMatcher(["."])
    expect([matcher.push("a. b"), matcher.push("c")].map(({ text }) => text)).toEqual(["a", ""])
    expect(matcher.flush()).toBe("")
  })
})
