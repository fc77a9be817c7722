import { describe, expect, test } from "bun:test"
import { compileCheck } from "./checkArguments.ts"

const check = compileCheck({
  $schema: "https://json-schema.org/draft-07/schema#",
  type: "object",
  properties: {
    amount: { type: "number", minimum: 0 },
    to: { type: "string" },
    urgent: { type: "boolean", default: false },
    kind: { enum: ["card", "loan"] },
    at: { type: "string", format: "a-format-of-their-own" },
  },
  required: ["amount"],
  additionalProperties: false,
})
const problems = (text: string) => {
  const checked = check(text, true)
  return checked.isValid ? [] : checked.problems
}

describe("compileCheck", () => {
  test("takes what fits, with defaults", () => {
    expect(check('{"amount": 1}', true)).toEqual({
      isValid: true,
      value: { amount: 1, urgent: false },
      isRepaired: false,
    })
  })

  test.each([
    ['{"amount": "1.5"}', { amount: 1.5, urgent: false }],
    ['{"amount": 1, "urgent": "true"}', { amount: 1, urgent: true }],
    ['{"amount": 1, "to": 7}', { amount: 1, to: "7", urgent: false }],
    ["{'amount': 1,}", { amount: 1, urgent: false }],
  ])("mends %j", (text, value) => {
    expect(check(text, true)).toEqual({ isValid: true, value, isRepaired: true })
  })

  test("says what is wrong, and what would be right", () => {
    expect(problems('{"amount": "much", "kind": "gift", "x": 1}')).toEqual([
      'arguments must NOT have additional properties: "x"',
      "amount must be number",
      'kind must be equal to one of the allowed values: ["card","loan"]',
    ])
    expect(problems("[1]")).toEqual(["expected a JSON object, found other text"])
  })

  test.each(['{"amount": null}', '{"amount": true}', '{"amount": 1, "to": null}', '{"amount": 1, "urgent": null}'])(
    "guesses nothing from %j",
    (text) => {
      expect(problems(text)).toHaveLength(1)
    },
  )

  test("pollutes no prototype", () => {
    expect(problems('{"amount": 1, "__proto__": {"polluted": true}}')).toHaveLength(1)
    expect(({} as { polluted?: boolean }).polluted).toBeUndefined()
  })

  test.each([{ type: "strin" }, { properties: 5 }, { required: "a" }])("throws on %j, which is no schema", (schema) => {
    expect(() => compileCheck(schema)).toThrow()
  })
})
