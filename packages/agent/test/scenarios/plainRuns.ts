import type { Scenario } from "./Scenario.ts"
import { ADD, ADDED, REPEATED, call } from "./words.ts"

/** Plain runs. */
const PLAIN: readonly Scenario[] = [
  { name: "answers without a tool", script: ["Good morning."], trace: ["ask", "answered: Good morning."], runs: [] },
  { name: "calls, reads, answers", script: [call("add", ADD), "3"], trace: ADDED, runs: ["add"] },
  {
    name: "goes from one tool to the next",
    script: [call("weather", '{"city":"Oslo"}'), call("add", '{"a":4,"b":1}'), "5 tomorrow"],
    trace: [
      "ask",
      'call weather {"city":"Oslo"}',
      "done weather: 4°C, rain",
      "ask",
      'call add {"a":4,"b":1}',
      "done add: 5",
      "ask",
      "answered: 5 tomorrow",
    ],
    runs: ["weather", "add"],
  },
  {
    name: "calls side by side",
    script: [
      {
        calls: [
          ["add", ADD],
          ["weather", '{"city":"Oslo"}'],
        ],
      },
      "both",
    ],
    trace: [
      "ask",
      `call add ${ADD}`,
      'call weather {"city":"Oslo"}',
      "done add: 3",
      "done weather: 4°C, rain",
      "ask",
      "answered: both",
    ],
    runs: ["add", "weather"],
  },
  {
    name: "says something before it calls",
    script: [{ text: "Let me see.", calls: [["add", ADD]] }, "3"],
    trace: ["ask", "said: Let me see.", `call add ${ADD}`, "done add: 3", "ask", "answered: 3"],
    runs: ["add"],
  },
]

const LOOPS: readonly Scenario[] = [
  {
    name: "answers a call that repeats with its earlier result, and ends a loop without tools",
    script: [call("add", ADD), call("add", '{"b":2,"a":1}'), call("add", ADD), call("add", ADD), "3"],
    limits: { maxSteps: 20 },
    trace: [
      "ask",
      `call add ${ADD}`,
      "done add: 3",
      ...['{"b":2,"a":1}', ADD, ADD].flatMap((args) => ["ask", `call add ${args}`, `repeated add: ${REPEATED}`]),
      "ask without tools",
      "answered: 3",
    ],
    runs: ["add"],
  },
  {
    name: "runs the same call once in a step",
    script: [
      {
        calls: [
          ["add", ADD],
          ["add", ADD],
        ],
      },
      "3",
    ],
    trace: [
      "ask",
      `call add ${ADD}`,
      `call add ${ADD}`,
      "done add: 3",
      `repeated add: ${REPEATED}`,
      "ask",
      "answered: 3",
    ],
    runs: ["add"],
  },
]

export const PLAIN_RUNS: readonly Scenario[] = [...PLAIN, ...LOOPS]
