import { SECRET } from "../scenarioTools.ts"
import type { Scenario } from "./Scenario.ts"
import { ADD, call } from "./words.ts"

export const FAILURES: readonly Scenario[] = [
  {
    name: "passes on what a tool says of its failure",
    script: [call("weather", '{"city":"Atlantis"}'), "I do not know Atlantis."],
    trace: [
      "ask",
      'call weather {"city":"Atlantis"}',
      'failed weather: {"error": "unknown city"}',
      "ask",
      "answered: I do not know Atlantis.",
    ],
    runs: ["weather"],
  },
  {
    name: "keeps to itself what a tool did not mean to say",
    script: [call("broken", "{}"), "It failed."],
    trace: ["ask", "call broken {}", 'failed broken: {"error": "the tool failed"}', "ask", "answered: It failed."],
    runs: ["broken"],
    unseen: [SECRET, "sk-of-the-provider"],
  },
  {
    name: "leaves a tool that never answers",
    script: [
      {
        calls: [
          ["silent", "{}"],
          ["add", ADD],
        ],
      },
      "Only 3.",
    ],
    trace: [
      "ask",
      "call silent {}",
      `call add ${ADD}`,
      "done add: 3",
      'timed-out silent: {"error": "timeout: no answer within 2000 ms"}',
      "ask",
      "answered: Only 3.",
    ],
    runs: ["silent", "add"],
  },
  {
    name: "fails with a model that fails mid-run",
    script: [call("add", ADD), { status: 500 }],
    trace: ["ask", `call add ${ADD}`, "done add: 3", "ask", "failed: status 500: status 500"],
    runs: ["add"],
  },
  {
    name: "fails with an answer that breaks off",
    script: [{ breaks: "The sum" }],
    trace: ["ask", "said: The sum", "failed: the answer ended without its end"],
    runs: [],
  },
]
