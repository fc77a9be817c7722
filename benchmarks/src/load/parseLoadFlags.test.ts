import { expect, test } from "bun:test"
import { LOAD_FLAGS, parseLoadFlags } from "./parseLoadFlags.ts"

test("parseLoadFlags: without flags a bounded synthetic load is sent to our own service", () => {
  const { url, trace, bounds, maxMs } = parseLoadFlags({})
  expect({ url, trace, bounds, maxMs }).toEqual({
    url: undefined,
    trace: undefined,
    bounds: { numRequests: 64, rate: 4, maxTokens: 1024 },
    maxMs: 120_000,
  })
})

test("parseLoadFlags: every flag is read", () => {
  const flags = {
    trace: "a.csv",
    url: "http://127.0.0.1:8080/v1/",
    "api-key": "k",
    "model-name": "m",
    requests: "3",
    rate: "0.5",
    seconds: "9",
    "max-tokens": "64",
    slo: "200,20",
  }
  expect(Object.keys(flags).sort()).toEqual(LOAD_FLAGS.map(({ name }) => name).sort())
  expect(parseLoadFlags(flags)).toEqual({
    trace: "a.csv",
    url: "http://127.0.0.1:8080",
    apiKey: "k",
    modelName: "m",
    bounds: { numRequests: 3, rate: 0.5, maxTokens: 64 },
    maxMs: 9000,
    level: { ttftMs: 200, tpotMs: 20 },
  })
})

test("parseLoadFlags: a value that cannot be is explained", () => {
  expect(() => parseLoadFlags({ rate: "0" })).toThrow("--rate 0: expected a number above 0")
  expect(() => parseLoadFlags({ requests: "2.5" })).toThrow("--requests 2.5: expected a whole number")
  expect(() => parseLoadFlags({ seconds: "soon" })).toThrow("--seconds soon")
  expect(() => parseLoadFlags({ slo: "100" })).toThrow("--slo 100: expected two times in milliseconds like 1000,100")
  expect(() => parseLoadFlags({ url: "localhost" })).toThrow("--url localhost: expected an address like http://")
})
