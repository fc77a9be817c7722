import { describe, expect, test } from "bun:test"
import fc from "fast-check"
import { mendJson, mendKeywords } from "./mendJson.ts"

describe("mendJson", () => {
  test.each([
    ['{"a": 1,}', '{"a":1}'],
    ['{"a": [1, 2,],}', '{"a":[1,2]}'],
    ["{'a': 'it\\'s'}", '{"a":"it\'s"}'],
    ["{'a': True, 'b': None, 'c': False}", '{"a":true,"b":null,"c":false}'],
    ["{a: 1, b-c: x y}", '{"a":1,"b-c":"x y"}'],
    ['{"a" = 1; }', '{"a":"1;"}'],
    ['{"a": 1 "b": 2}', '{"a":1,"b":2}'],
    ['{"a": "x" "b": 2}', '{"a":"x","b":2}'],
    ['{"a": "line\nbreak"}', '{"a":"line\\nbreak"}'],
    ['{"a": 1_000, "b": .5, "c": +2}', '{"a":1000,"b":0.5,"c":2}'],
    ['{"a": (1, 2)}', '{"a":[1,2]}'],
    ['{"a": 1}}', '{"a":1}'],
    ['{"a": "\\u00e9\\x41\\q"}', '{"a":"éAq"}'],
    ['{"__proto__": {"x": 1}}', '{"__proto__":{"x":1}}'],
    ["{}", "{}"],
    ["", undefined],
    ["one", undefined],
    ['"one"', undefined],
    ["{one}", undefined],
    ['{"a": }', undefined],
    ['{"a": 1} and more', undefined],
  ])("of %j makes %j", (text, json) => {
    expect(mendJson(text, true)).toBe(json)
  })

  test.each([['{"a": 1'], ['{"a": "x'], ['{"a": [1, 2'], ['{"a": {"b": 1}'], ['{"a": [1, 2}']])(
    "adds to %j the closers that are missing, but to no answer that was cut short",
    (text) => {
      expect(JSON.parse(mendJson(text, true)!)).toHaveProperty("a")
      expect(mendJson(text, false)).toBeUndefined()
    },
  )

  test("leaves JSON as it was", () => {
    fc.assert(
      fc.property(fc.oneof(fc.dictionary(fc.string(), fc.jsonValue()), fc.array(fc.jsonValue())), (value) => {
        const json = JSON.stringify(value)
        expect(JSON.parse(mendJson(json, false) ?? "0")).toEqual(JSON.parse(json))
      }),
    )
  })

  test("makes JSON or nothing of any text", () => {
    const piece = fc.constantFrom("{", "}", "[", "]", "(", '"', "'", ",", ":", "=", "\\", "a", "1", " ", "None", "\n")
    fc.assert(
      fc.property(fc.array(piece), fc.boolean(), (pieces, mayEndEarly) => {
        const json = mendJson(`{${pieces.join("")}`, mayEndEarly)
        if (json !== undefined) expect(typeof JSON.parse(json)).toBe("object")
      }),
      { numRuns: 2000 },
    )
  })

  test("gives up on what is too deep or too long", () => {
    expect(mendJson("[".repeat(10_000), true)).toBeUndefined()
    expect(mendJson(`{"a": "${"x".repeat(100_000)}"}`, true)).toBeUndefined()
  })
})

test("mendKeywords: reads keywords up to the closing parenthesis", () => {
  const text = "f(city='São Paulo', days=3, deep={'a': [1]}), g()"
  expect(mendKeywords(text, 2, false)).toEqual({
    json: '{"city":"São Paulo","days":3,"deep":{"a":[1]}}',
    end: text.indexOf(", g"),
  })
  expect(mendKeywords("f(1, 2)", 2, true)).toBeUndefined()
})
