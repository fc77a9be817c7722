import { describe, expect, test } from "bun:test"
import { findCalls } from "./findCalls.ts"

const ADD = { name: "add", arguments: '{"a":1}' }

describe("findCalls", () => {
  test.each([
    ["<tool_call>{'name': 'add', 'arguments': {'a': 1}}</tool_call>", [ADD]],
    ['<tool_call>\n{"name": "add", "arguments": {"a": 1}\n', [ADD]],
    ['<tool_call>{"name": "add", "parameters": {"a": 1}}</tool_call>', [ADD]],
    [
      '<tool_call>[{"name": "add", "arguments": {"a": 1}}, {"name": "b"}]</tool_call>',
      [ADD, { name: "b", arguments: "{}" }],
    ],
    ["<|tool_call_start|>[add(a=1), b()]<|tool_call_end|>", [ADD, { name: "b", arguments: "{}" }]],
    ['<|python_tag|>{"name": "add", "parameters": {"a": 1}}<|eom_id|>', [ADD]],
    ['```tool_call\n{"name": "add", "arguments": {"a": 1}}\n```', [ADD]],
    ['```json\n{"name": "add", "arguments": {"a": 1}}\n```', [ADD]],
    ["```python\nadd(a=1)\n```", [ADD]],
  ])("reads %j", (text, calls) => {
    expect(findCalls(text, ["add"], true)).toEqual({ text: "", calls })
  })

  test("leaves the text around calls", () => {
    expect(findCalls("I add.\n<tool_call>{name: add}</tool_call>\n", ["add"], true)).toEqual({
      text: "I add.",
      calls: [{ name: "add", arguments: "{}" }],
    })
  })

  test.each([
    "No calls.",
    'As JSON:\n```json\n{"name": "add", "arguments": {"a": 1}}\n```',
    '```json\n{"name": "Ann", "arguments": {}}\n```',
    "```python\nprint(1)\n```",
  ])("takes no call from %j", (text) => {
    expect(findCalls(text, ["add"], true)).toEqual({ text, calls: [] })
  })

  test("passes on what nobody can read, with the name if it has one", () => {
    expect(findCalls('<tool_call>{"name": "add", nonsense</tool_call>', ["add"], true).calls).toEqual([
      { name: "add", arguments: '{"name": "add", nonsense' },
    ])
    expect(findCalls("<tool_call>?</tool_call>", ["add"], true).calls).toEqual([{ name: "", arguments: "?" }])
  })
})
