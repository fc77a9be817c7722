import { expect, test } from "bun:test"
import { createWordRouter } from "./createWordRouter.ts"

const router = createWordRouter([
  {
    name: "risk",
    domain: "finance risk",
    description: "value at risk, credit exposure, capital",
    examples: ["How high is our exposure?"],
  },
  {
    name: "copy",
    domain: "marketing",
    description: "slogans, campaigns, newsletters",
    examples: ["Write a slogan for our campaign"],
  },
  { name: "bank", domain: "客服", description: "信用卡挂失, 账户", examples: ["我的卡丢了"] },
])
const best = (text: string): string | undefined => {
  const scores = router.score({ text, numImages: 0, hasTools: false })
  const most = Math.max(...scores)
  return most > 0 ? router.experts[scores.indexOf(most)] : undefined
}

test("word router: a request goes to whose description it shares most words with, to nobody where it shares none", () => {
  expect(best("what is our credit risk exposure")).toBe("risk")
  expect(best("one newsletter, with a slogan for each campaign")).toBe("copy")
  expect(best("信用卡丢了怎么办")).toBe("bank")
  expect(best("xylophone")).toBeUndefined()
  expect(best("")).toBeUndefined()
})

test("word router: reads words as a trained router does: other forms of a character, and every script without spaces", () => {
  const own = createWordRouter([
    { name: "thai", domain: "", description: "บัตรเครดิตหาย", examples: [] },
    { name: "kana", domain: "", description: "クレジットカード", examples: [] },
    { name: "wide", domain: "", description: "ledger", examples: [] },
  ])
  const bestOf = (text: string): string | undefined => {
    const scores = own.score({ text, numImages: 0, hasTools: false })
    const most = Math.max(...scores)
    return most > 0 ? own.experts[scores.indexOf(most)] : undefined
  }
  expect(bestOf("ผมทำบัตรเครดิตหาย")).toBe("thai")
  expect(bestOf("私のクレジットカードがない")).toBe("kana")
  expect(bestOf("ｌｅｄｇｅｒ")).toBe("wide")
})

test("word router: scores are between 0 and 1, however long the text", () => {
  for (const score of router.score({ text: "credit risk ".repeat(100_000), numImages: 0, hasTools: false }))
    expect(score >= 0 && score <= 1).toBe(true)
})
