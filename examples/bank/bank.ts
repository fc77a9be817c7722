import { createRecordTool } from "../src/answer/RecordTool.ts"
import { anyOf, handOver } from "../src/answer/Rule.ts"
import type { Case } from "../src/Case.ts"
import accounts from "./accounts.json" with { type: "json" }

const cardStatus = createRecordTool({
  name: "card_status",
  description: "Get the status of a card",
  key: "card",
  keyDescription: "Last four digits",
  records: accounts.cards,
  pattern: /\b\d{4}\b/,
})

const transferStatus = createRecordTool({
  name: "transfer_status",
  description: "Get the status of a transfer",
  key: "transfer",
  keyDescription: "Number of the transfer",
  records: accounts.transfers,
  pattern: /\b\d{5}\b/,
})

const loanStatus = createRecordTool({
  name: "loan_status",
  description: "Get the status of a loan or of an application for one",
  key: "loan",
  keyDescription: "Number of the loan",
  records: accounts.loans,
  pattern: /\b\d{4}\b/,
})

/** A bank's desk. */
export const bank: Case = {
  name: "bank",
  title: "Bank support",
  userId: "ada",
  instructions: "You are the bank assistant of a retail bank. Answer customers politely.",
  rules: [
    handOver(
      "I am handing this over to a colleague of our service team, who calls you back today. If money is missing, your cards and account are blocked until then.",
    ),
    {
      name: "no secrets",
      pattern: anyOf("(?:what is|what's|tell me|show me) (?:my|the|his|her) (?:pin|password|code)"),
      answer: "I cannot tell a PIN, a password or a code: nobody at the bank knows it.",
    },
  ],
  desks: {
    cards: { lookups: [cardStatus], tools: [] },
    transfers: { lookups: [transferStatus], tools: [] },
    loans: { lookups: [loanStatus], tools: [] },
    risk: { lookups: [], tools: [] },
  },
}
