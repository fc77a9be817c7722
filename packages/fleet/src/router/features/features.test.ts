import { expect, test } from "bun:test"
import fc from "fast-check"
import { createFeaturizer, fitFeatures } from "./FeatureTable.ts"
import { hashGrams, hashText, wordsOf } from "./hashGrams.ts"
import { NUM_FORMS, requestFeatures } from "./requestFeatures.ts"

const TEXTS = [
  "My card was stolen",
  "How do I freeze my card?",
  "我的银行卡被盗了",
  "怎么冻结银行卡",
  "Exchange rates today",
]

test("words: English by spaces, Chinese by characters, both in one case and one Unicode form", () => {
  expect(wordsOf("Don't PAY ½ﬁve-100%")).toEqual(["don't", "pay", "1", "2five", "100"])
  expect(wordsOf("我的Visa卡")).toEqual(["我", "的", "visa", "卡"])
  expect(hashGrams("Ｃａｒｄ", 1)).toEqual(hashGrams("card", 1))
  expect(hashText("Café", 3)).toBe(hashText("cafe\u0301", 3))
})

test("grams: a text has its words, its pairs and its runs of 2 to 5 characters within words", () => {
  const { words, characters } = hashGrams("ab cd", 1)
  expect(words).toHaveLength(4)
  // " ab " has 3 + 2 + 1 runs, and so has " cd ".
  expect(characters).toHaveLength(12)
  expect(new Set([...words, ...characters]).size).toBe(16)
  expect(hashGrams("ab cd", 2).words).not.toEqual(words)
})

test("features: of length 1, of any text, and none of a text of which nothing is known", () => {
  const featurize = createFeaturizer(fitFeatures(TEXTS, 7))
  fc.assert(
    fc.property(fc.string({ unit: "grapheme", maxLength: 60 }), (text) => {
      const { ids, values } = featurize(text)
      if (ids.length === 0) return
      expect(Math.hypot(...values)).toBeCloseTo(1, 5)
      expect(new Set(ids).size).toBe(ids.length)
    }),
  )
  expect(featurize("ωψ").ids).toHaveLength(0)
  expect(featurize("").ids).toHaveLength(0)
})

test("features: the rarer a word among the examples, the more it is worth", () => {
  const table = fitFeatures(["card one", "card two", "card three"], 1)
  const idfOf = (word: string): number => table.idf[table.hashes.indexOf(hashGrams(word, 1).words[0]!)]!
  expect(idfOf("card")).toBeCloseTo(1, 6)
  expect(idfOf("two")).toBeCloseTo(Math.log(4 / 2) + 1, 6)
})

test("features: a text however long is read to a bound, in milliseconds", () => {
  const featurize = createFeaturizer(fitFeatures(TEXTS, 7))
  const started = performance.now()
  featurize("my card ".repeat(200_000))
  expect(performance.now() - started).toBeLessThan(500)
})

test("features: an embedding that is missing or of another size is refused", () => {
  const featurize = createFeaturizer(fitFeatures(TEXTS, 7))
  const of = (embedding?: Float32Array) => () =>
    requestFeatures({ text: "card", ...(embedding !== undefined && { embedding }) }, featurize, 50, 4)
  expect(of()).toThrow("expected an embedding of 4 values with the request, found none")
  expect(of(new Float32Array(3))).toThrow("found one of 3")
  const { ids, values } = of(Float32Array.of(0, 3, 0, 4))()
  expect(Array.from(ids.slice(-4))).toEqual([0, 1, 2, 3].map((i) => 50 + NUM_FORMS + i))
  expect(Array.from(values.slice(-4))).toEqual([0, 0.6, 0, 0.8].map(Math.fround))
})
