import { describe, expect, test } from "bun:test"
import { requestFields } from "../http/RequestFields.ts"
import { parseAgentRun, parseDecision } from "./parseAgentRun.ts"

const parse = (body: object) => parseAgentRun(requestFields({ ...body }))
const decision = (body: object) => parseDecision(requestFields({ ...body }))
const hello = [{ role: "user", content: "Hi" }]

describe("parseAgentRun", () => {
  test("reads a question, and fills in the usual", () => {
    expect(parse({ input: "Hi" })).toEqual({
      messages: [{ role: "user", content: "Hi" }],
      user: undefined,
      conversation: "default",
      confirmed: [],
      isStream: false,
      domain: "",
      unknownFields: [],
    })
  })

  test("reads everything, and names what nobody knows", () => {
    const body = {
      messages: [{ role: "system", content: "Be brief." }, ...hello],
      user: "anna",
      conversation: "monday",
      confirmed: ["pay"],
      stream: true,
      domain: "bank",
      metadata: { a: 1 },
      temprature: 1,
    }
    expect(parse(body)).toMatchObject({
      messages: [{ role: "system" }, { role: "user", content: "Hi" }],
      user: "anna",
      conversation: "monday",
      confirmed: ["pay"],
      isStream: true,
      domain: "bank",
      unknownFields: ["temprature"],
    })
  })

  test("half a character in a name becomes a whole one: a store keeps no other", () => {
    expect(parse({ input: "Hi", user: "a\uD800" }).user).toBe("a\uFFFD")
  })

  test.each([
    [{}, "input: expected a question here, or messages, found nothing."],
    [{ input: " " }, 'input: expected some text, found " ".'],
    [{ input: 7 }, "input: expected a string, found 7."],
    [{ input: "Hi", messages: hello }, "messages: expected none beside input, found "],
    [
      { messages: [...hello, { role: "assistant", content: "Hi" }] },
      "messages: expected the user's message last, found ",
    ],
    [{ input: "Hi", user: " " }, 'user: expected 1 to 200 characters, found " ".'],
    [{ input: "Hi", conversation: "x".repeat(201) }, "conversation: expected 1 to 200 characters, found "],
    [{ input: "Hi", confirmed: "pay" }, 'confirmed: expected an array of names of tools, found "pay".'],
    [{ input: "Hi", confirmed: [1] }, "confirmed: expected an array of names of tools, found [1]."],
    [{ input: "Hi", stream: "yes" }, 'stream: expected true or false, found "yes".'],
  ])("%j: %s", (body, message) => {
    expect(() => parse(body)).toThrow(
      expect.objectContaining({ status: 400, message: expect.stringContaining(message) }),
    )
  })
})

describe("parseDecision", () => {
  test("reads yes and no by the calls' ids", () => {
    const calls = JSON.parse('{"c0": true, "__proto__": false, "c2": null}') as object
    const read = decision({ calls, stream: true })
    expect(Object.entries(read.calls)).toEqual([
      ["c0", true],
      ["__proto__", false],
    ])
    expect(read.isStream).toBe(true)
  })

  test.each([
    [{}, "calls: expected an object, found nothing."],
    [{ calls: [true] }, "calls: expected an object, found [true]."],
    [{ calls: {} }, "calls: expected true or false for at least one call, found {}."],
    [{ calls: { c0: "yes" } }, 'calls.c0: expected true or false, found "yes".'],
  ])("%j: %s", (body, message) => {
    expect(() => decision(body)).toThrow(expect.objectContaining({ status: 400, message }))
  })
})
