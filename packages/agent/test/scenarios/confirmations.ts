import type { Scenario } from "./Scenario.ts"
import { ADD, PAY, REFUSED, call } from "./words.ts"

export const CONFIRMATIONS: readonly Scenario[] = [
  {
    name: "does what a person confirms",
    script: [call("transfer", PAY), "Sent."],
    decisions: [{ transfer: true }],
    trace: [
      "ask",
      `call transfer ${PAY}`,
      `confirm transfer ${PAY}`,
      "confirmation: ",
      "done transfer: sent 5 to Ann",
      "ask",
      "answered: Sent.",
    ],
    runs: ["transfer"],
  },
  {
    name: "does not do what a person refuses, and does not ask again",
    script: [call("transfer", PAY), call("transfer", PAY), "Not sent."],
    decisions: [{ transfer: false }],
    trace: [
      "ask",
      `call transfer ${PAY}`,
      `confirm transfer ${PAY}`,
      "confirmation: ",
      `refused transfer: ${REFUSED}`,
      "ask",
      `call transfer ${PAY}`,
      `repeated transfer: ${REFUSED}\n(the same call as before: answer with this result)`,
      "ask",
      "answered: Not sent.",
    ],
    runs: [],
  },
  {
    name: "does the rest while one call waits, and waits on where nobody decides",
    script: [
      {
        text: "One moment.",
        calls: [
          ["transfer", PAY],
          ["add", ADD],
        ],
      },
      "Done.",
    ],
    decisions: [{}, { transfer: true }],
    trace: [
      "ask",
      "said: One moment.",
      `call transfer ${PAY}`,
      `call add ${ADD}`,
      "done add: 3",
      `confirm transfer ${PAY}`,
      "confirmation: One moment.",
      `confirm transfer ${PAY}`,
      "confirmation: One moment.",
      "done transfer: sent 5 to Ann",
      "ask",
      "answered: Done.",
    ],
    runs: ["add", "transfer"],
  },
  {
    name: "asks nobody where the request has confirmed a tool",
    script: [call("transfer", PAY), "Sent."],
    confirmed: ["transfer"],
    trace: ["ask", `call transfer ${PAY}`, "done transfer: sent 5 to Ann", "ask", "answered: Sent."],
    runs: ["transfer"],
  },
]
