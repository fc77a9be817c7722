import type { Scenario } from "./Scenario.ts"
import { ADD, ADDED_REPAIRED, DENIED, NOT_JSON, UNKNOWN, WRONG, call } from "./words.ts"

/** Calls that small models write. */
const MALFORMED: readonly Scenario[] = [
  ["a trailing comma", '{"a": 1, "b": 2,}'],
  ["single quotes", "{'a': 1, 'b': 2}"],
  ["keys without quotes", "{a: 1, b: 2}"],
  ["an unclosed brace", '{"a": 1, "b": 2'],
  ["a code fence", '```json\n{"a": 1, "b": 2}\n```'],
  ["JSON in a string", '"{\\"a\\": 1, \\"b\\": 2}"'],
  ["numbers as text", '{"a": "1", "b": "2"}'],
].map(([what, args]) => ({
  name: `mends ${what}`,
  script: [call("add", args!), "3"],
  trace: ADDED_REPAIRED,
  runs: ["add"],
}))

const WRITTEN: readonly Scenario[] = [
  ["Hermes' tags, Python's literals", "<tool_call>\n{'name': 'add', 'arguments': {'a': 1, 'b': 2}}\n</tool_call>"],
  ["Python's form", "<|tool_call_start|>[add(a=1, b=2)]<|tool_call_end|>"],
  ["a fence alone", '```json\n{"name": "add", "arguments": {"a": 1, "b": 2}}\n```'],
].map(([what, text]) => ({
  name: `finds a call that is written into the text: ${what}`,
  script: [text!, "3"],
  trace: ADDED_REPAIRED,
  runs: ["add"],
}))

const HOPELESS: readonly Scenario[] = [
  {
    name: "tells once what is wrong with a call",
    script: [call("add", "one and two"), call("add", ADD), "3"],
    trace: [
      "ask",
      "call add one and two",
      `bad-arguments add: ${NOT_JSON}`,
      "ask",
      `call add ${ADD}`,
      "done add: 3",
      "ask",
      "answered: 3",
    ],
    runs: ["add"],
  },
  {
    name: "asks for an answer without tools after a second call that cannot be mended",
    script: [call("add", "one"), call("add", '{"a":1}'), "I cannot add."],
    trace: [
      "ask",
      "call add one",
      `bad-arguments add: ${NOT_JSON}`,
      "ask",
      'call add {"a":1}',
      `bad-arguments add: {"error": "bad arguments", "problems": ["arguments must have required property 'b'"], "cure": "${WRONG}"}`,
      "ask without tools",
      "answered: I cannot add.",
    ],
    runs: [],
  },
  {
    name: "makes no number of null",
    script: [call("transfer", '{"to":"Ann","amount":null}'), "How much?"],
    trace: [
      "ask",
      'call transfer {"to":"Ann","amount":null}',
      `bad-arguments transfer: {"error": "bad arguments", "problems": ["amount must be number"], "cure": "${WRONG}"}`,
      "ask",
      "answered: How much?",
    ],
    runs: [],
  },
  {
    name: "does not complete a call that was cut short",
    script: [{ calls: [["transfer", '{"to":"Ann","amount":1']], reason: "length" }, "Too long."],
    confirmed: ["transfer"],
    trace: [
      "ask",
      'call transfer {"to":"Ann","amount":1',
      `bad-arguments transfer: ${NOT_JSON}`,
      "ask",
      "answered: Too long.",
    ],
    runs: [],
  },
  {
    name: "knows no tool of this name",
    script: [call("fly", "{}"), "I cannot fly."],
    trace: ["ask", "call fly {}", `unknown-tool fly: ${UNKNOWN}`, "ask", "answered: I cannot fly."],
    runs: [],
  },
  {
    name: "has no right to a tool that there is",
    script: [call("delete_all", "{}"), "I may not."],
    trace: ["ask", "call delete_all {}", `not-allowed delete_all: ${DENIED}`, "ask", "answered: I may not."],
    runs: [],
  },
  {
    name: "refuses calls beyond as many as may run at once",
    script: [{ calls: [1, 2, 3].map((a) => ["add", `{"a":${a},"b":0}`] as const) }, "1 and 2"],
    limits: { maxParallelCalls: 2 },
    trace: [
      "ask",
      'call add {"a":1,"b":0}',
      'call add {"a":2,"b":0}',
      'call add {"a":3,"b":0}',
      'too-many add: {"error": "too many calls at once: at most 2"}',
      "done add: 1",
      "done add: 2",
      "ask",
      "answered: 1 and 2",
    ],
    runs: ["add", "add"],
  },
]

export const MALFORMED_CALLS: readonly Scenario[] = [...MALFORMED, ...WRITTEN, ...HOPELESS]
