import type { RouterExample } from "@consilium/fleet"

/** Three experts' requests in two languages, enough to learn something from. */
const REQUESTS: Readonly<Record<string, readonly string[]>> = {
  cards: [
    "My card was stolen yesterday",
    "Please freeze my credit card",
    "I lost my debit card in the train",
    "When does my new card arrive?",
    "The card was swallowed by the machine",
    "我的银行卡被盗了",
    "请冻结我的信用卡",
    "我的卡丢了怎么办",
  ],
  loans: [
    "What is the interest rate of a mortgage?",
    "I want to borrow money for a house",
    "Can I repay my loan early?",
    "How much credit do I get for a car loan?",
    "Mortgage rates for ten years please",
    "我想申请贷款",
    "房贷利率是多少",
    "贷款可以提前还款吗",
  ],
  exchange: [
    "How many euros do I get for a dollar?",
    "What is the exchange rate today?",
    "Change pounds into yen",
    "Do you exchange foreign currency?",
    "The rate of the dollar against the franc",
    "今天的汇率是多少",
    "我想兑换外币",
    "美元换人民币",
  ],
}

export const BANK_EXPERTS = Object.keys(REQUESTS)

/** Returns them as examples; every third one was asked with tools. */
export function bankExamples(): RouterExample[] {
  return BANK_EXPERTS.flatMap((name, e) =>
    REQUESTS[name]!.map((text, i) => ({
      request: { text, numImages: 0, hasTools: i % 3 === 0 },
      targets: Float32Array.from(BANK_EXPERTS, (_, other) => Number(other === e)),
    })),
  )
}
