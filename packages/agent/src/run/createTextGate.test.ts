import { describe, expect, test } from "bun:test"
import { createTextGate } from "./createTextGate.ts"

/** Says a text character by character; returns what came through before its end, and in all. */
function pass(text: string, withoutCalls = text) {
  const said: string[] = []
  const gate = createTextGate((piece) => said.push(piece))
  for (const character of text) gate.push(character)
  const early = said.join("")
  gate.end(withoutCalls)
  return { early, all: said.join("") }
}

describe("createTextGate", () => {
  test("lets plain text through as it comes", () => {
    expect(pass("1 < 2, a <b>tag</b>")).toEqual({ early: "1 < 2, a <b>tag</b>", all: "1 < 2, a <b>tag</b>" })
  })

  test("says nothing from a call on", () => {
    expect(pass("Wait.\n<tool_call>{}</tool_call>", "Wait.")).toEqual({ early: "Wait.\n", all: "Wait.\n" })
  })

  test("says at the end what was no call", () => {
    expect(pass("See <tool")).toEqual({ early: "See ", all: "See <tool" })
    expect(pass("See <tool_call>?</tool_call> and more", "See  and more").all).toBe("See  and more")
  })

  test("holds back an answer that begins with a fence", () => {
    expect(pass("```json\n{}\n```")).toEqual({ early: "", all: "```json\n{}\n```" })
    expect(pass('```json\n{"name": "add"}\n```', "").all).toBe("")
    expect(pass("So:\n```ts\n1\n```\n").early).toBe("So:\n```ts\n1\n```\n")
  })
})
