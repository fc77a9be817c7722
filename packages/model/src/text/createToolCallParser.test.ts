import { describe, expect, test } from "bun:test"
import fc from "fast-check"
import { createToolCallParser } from "./createToolCallParser.ts"

interface Parsed {
  readonly text: string
  readonly calls: { readonly name: string; arguments: string }[]
}

function parse(pieces: readonly string[]): Parsed {
  const parser = createToolCallParser()
  const parsed = { text: "", calls: [] as { name: string; arguments: string }[] }
  for (const event of [...pieces.flatMap((piece) => parser.push(piece)), ...parser.flush()]) {
    if (event.type === "text") parsed.text += event.text
    else if (event.type === "call") parsed.calls.push({ name: event.name, arguments: "" })
    else parsed.calls.at(-1)!.arguments += event.delta
  }
  return parsed
}

const oslo = { name: "get_weather", arguments: '{"city":"Oslo"}' }
const weather = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Oslo"}}\n</tool_call>'

/** Answers, and what they are. */
const CASES: readonly (readonly [title: string, answer: string, Parsed])[] = [
  ["text, then two calls", `Let me look.\n${weather}\n${weather}\n`, { text: "Let me look.\n", calls: [oslo, oslo] }],
  [
    "an end of a call, a brace and a quote inside a string",
    '<tool_call>{"name":"f","arguments":{ "a":"</tool_call> } \\" {",\n"b": [{}]}}</tool_call>',
    { text: "", calls: [{ name: "f", arguments: '{"a":"</tool_call> } \\" {","b":[{}]}' }] },
  ],
  [
    "arguments first, and arguments as a string",
    '<tool_call>{"arguments":{"a":1},"name":"f"}</tool_call><tool_call>{"name":"g","arguments":"{\\"b\\":2}"}</tool_call>',
    {
      text: "",
      calls: [
        { name: "f", arguments: '{"a":1}' },
        { name: "g", arguments: '{"b":2}' },
      ],
    },
  ],
  ["no arguments", '<tool_call>{"name":"f"}</tool_call>', { text: "", calls: [{ name: "f", arguments: "{}" }] }],
  [
    "a call without its end",
    '<tool_call>{"name":"f","arguments":{}}',
    { text: "", calls: [{ name: "f", arguments: "{}" }] },
  ],
  [
    "a call that is cut inside its arguments",
    '<tool_call>{"name":"f","arguments":{"a":"b',
    { text: "", calls: [{ name: "f", arguments: '{"a":"b' }] },
  ],
  [
    "an end outside of strings closes arguments that are not complete",
    '<tool_call>{"name":"f","arguments":{"a":1</tool_call> after',
    { text: " after", calls: [{ name: "f", arguments: '{"a":1' }] },
  ],
  [
    "a call that follows without an end, and fields that nobody asked for",
    '<tool_call>{"name":"f","arguments":{},"id":1}\n<tool_call>{"name":"g","arguments":{}}</tool_call>',
    {
      text: "",
      calls: [
        { name: "f", arguments: "{}" },
        { name: "g", arguments: "{}" },
      ],
    },
  ],
  ["text after a call keeps its white space", `${weather}\n\nDone.`, { text: "\n\nDone.", calls: [oslo] }],
  [
    "text after a call that has no end",
    '<tool_call>{"name":"f","arguments":{}} Done.',
    { text: " Done.", calls: [{ name: "f", arguments: "{}" }] },
  ],
  ["no JSON", "<tool_call>not json</tool_call> after", { text: "<tool_call>not json</tool_call> after", calls: [] }],
  [
    "a name that is none",
    '<tool_call>{"name":7}</tool_call>',
    { text: '<tool_call>{"name":7}</tool_call>', calls: [] },
  ],
  ["what only begins like a call", "a <tool_cal", { text: "a <tool_cal", calls: [] }],
]

describe("createToolCallParser", () => {
  test.each(CASES)("%s: the same however it is cut", (_title, answer, expected) => {
    expect(parse([answer])).toEqual(expected)
    expect(parse([...answer])).toEqual(expected)
    fc.assert(
      fc.property(fc.array(fc.nat({ max: answer.length }), { maxLength: 12 }), (cuts) => {
        const places = [0, ...cuts.sort((a, b) => a - b), answer.length]
        expect(parse(places.slice(1).map((end, i) => answer.slice(places[i], end)))).toEqual(expected)
      }),
    )
  })

  test("a name is told as soon as it is known, arguments as they come", () => {
    const parser = createToolCallParser()
    const pieces = ['<tool_call>{"name": "f", ', '"arguments": {"a": "1', '23", "b"', ": 4}}", "</tool_call>"]
    expect(pieces.map((piece) => parser.push(piece))).toEqual([
      [],
      [
        { type: "call", name: "f" },
        { type: "arguments", delta: '{"a":"1' },
      ],
      [{ type: "arguments", delta: '23","b"' }],
      [{ type: "arguments", delta: ":4}" }],
      [],
    ])
  })

  test("no text is lost where there are no calls", () => {
    const part = fc.constantFrom("<tool_call>", "</tool_call>", "<", "{", "}", '"', "name", " ", "\n", "x")
    fc.assert(
      fc.property(fc.array(part, { maxLength: 20 }), (pieces) => {
        const { text, calls } = parse(pieces)
        expect(calls).toEqual([])
        expect(text).toBe(pieces.join(""))
      }),
    )
  })
})
