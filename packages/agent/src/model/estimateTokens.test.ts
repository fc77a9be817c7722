import { expect, test } from "bun:test"
import { loadTokenizer } from "@consilium/model"
import { miniModelDir } from "@consilium/testing"
import { estimateTokens } from "./estimateTokens.ts"

test.each([
  "The weather in Oslo is cold and rainy today, so take an umbrella with you.",
  '{"city": "Oslo", "temperature": 4.5, "condition": "light rain", "order": "A-4821339"}',
  "我的银行卡丢了，怎么办？请尽快告诉我。",
  "",
])("estimateTokens: is rather too high for %j", (text) => {
  const numTokens = loadTokenizer(miniModelDir()).encode(text).length
  expect(estimateTokens(text)).toBeGreaterThanOrEqual(numTokens)
  expect(estimateTokens(text)).toBeLessThanOrEqual(numTokens * 3)
})
