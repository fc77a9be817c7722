import type { MemoryScope, OpenMemory, Recalled } from "../src/index.ts"

export const HOUR_MS = 3_600_000
/** Four characters are one. */
const countTokens = (text: string): number => Math.ceil(text.length / 4)
export const ana: MemoryScope = { agent: "desk", userId: "ana-7731", conversationId: "c1" }
export const bob: MemoryScope = { agent: "desk", userId: "bob-9917", conversationId: "c1" }

/** Recalls within 400 tokens, at the beginning of time, unless told otherwise. */
export const recall = (
  memory: OpenMemory,
  scope: MemoryScope,
  text: string,
  budgetTokens = 400,
  nowMs = 0,
): Promise<Recalled> => memory.recall({ ...scope, text, budgetTokens, countTokens, nowMs })

/** Tokens of all that is recalled. */
export const costOf = ({ facts, summary, turns }: Recalled): number =>
  [...facts, ...(summary === undefined ? [] : [summary]), ...turns.map(({ content }) => content)].reduce(
    (sum, text) => sum + countTokens(text),
    0,
  )

/** Small talk of a service desk, seeded. */
export function createTalk(seed: number): () => { user: string; answer: string } {
  let state = seed
  const pick = <T>(list: readonly T[]): T => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
    return list[(state >>> 8) % list.length]!
  }
  const things = ["parcel", "invoice", "kettle", "lamp", "voucher", "发票", "subscription", "bicycle"]
  const days = ["Monday", "Friday", "the 3rd", "tomorrow", "next week", "周三"]
  return () => {
    const thing = pick(things)
    const number = pick([...Array(900).keys()]) + 100
    const user = pick([
      `Where is the ${thing} ${number}? It should have come on ${pick(days)}.`,
      `I want to return the ${thing}. I paid ${number} euros for it!`,
      `Please change the ${thing} to ${pick(days)}; thanks a lot for all the help so far.`,
      `What does a ${thing} cost, and can it be delivered by ${pick(days)}?`,
      `我想退掉这个${thing}，订单是${number}。什么时候可以退款？`,
      `Good morning. The ${thing} does not work.\nI tried it twice on ${pick(days)}.`,
    ])
    const answer = pick([
      `The ${thing} arrives on ${pick(days)}. Is there anything else?`,
      `I have changed it: ticket ${number}. You will get an e-mail by ${pick(days)}, and a refund of ${number} euros after that.`,
      `好的，${thing}的退款会在${pick(days)}到账。`,
      "Sorry to hear that. ".repeat(1 + (number % 7)).trim(),
    ])
    return { user, answer }
  }
}
