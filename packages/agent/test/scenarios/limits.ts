import type { Scenario } from "./Scenario.ts"
import { ADD, call } from "./words.ts"

export const LIMITS: readonly Scenario[] = [
  {
    name: "asks for the last step without tools",
    script: [call("add", ADD), call("add", '{"a":3,"b":3}'), "9"],
    limits: { maxSteps: 3 },
    trace: [
      "ask",
      `call add ${ADD}`,
      "done add: 3",
      "ask",
      'call add {"a":3,"b":3}',
      "done add: 6",
      "ask without tools",
      "answered: 9",
    ],
    runs: ["add", "add"],
  },
  {
    name: "ends by steps where the model only calls",
    script: [call("add", ADD), call("add", '{"a":3,"b":3}')],
    limits: { maxSteps: 2 },
    trace: ["ask", `call add ${ADD}`, "done add: 3", "ask without tools", "steps: "],
    runs: ["add"],
  },
  {
    name: "ends by tokens, before it asks for more than there are",
    script: [{ text: "Wait.", calls: [["add", ADD]] }],
    limits: { maxTokens: 800 },
    trace: ["ask", "said: Wait.", `call add ${ADD}`, "done add: 3", "tokens: Wait."],
    runs: ["add"],
  },
  {
    name: "ends by tokens where the answer is cut short",
    script: [{ text: "Once upon", reason: "length" }],
    trace: ["ask", "tokens: Once upon"],
    runs: [],
  },
  {
    name: "ends by time with what a model has said",
    script: [{ hangs: "The answer is" }],
    limits: { maxMs: 5000 },
    trace: ["ask", "time: The answer is"],
    runs: [],
  },
  {
    name: "ends by time while a tool runs",
    script: [{ text: "Wait.", calls: [["endless", "{}"]] }],
    limits: { maxMs: 5000 },
    trace: [
      "ask",
      "said: Wait.",
      "call endless {}",
      'timed-out endless: {"error": "the run ended before it answered"}',
      "time: Wait.",
    ],
    runs: ["endless"],
  },
  {
    name: "ends by cost once its budget is used up",
    script: [call("add", ADD)],
    limits: { maxCostUsd: 0.0003 },
    trace: ["ask", `call add ${ADD}`, "done add: 3", "cost: "],
    runs: ["add"],
  },
]
