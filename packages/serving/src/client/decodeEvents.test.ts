import { describe, expect, test } from "bun:test"
import { Schema } from "effect"
import { EngineEvent, PROTOCOL_VERSION } from "../protocol.ts"
import { decodeEvents } from "./decodeEvents.ts"

const bySchema = Schema.decodeUnknownSync(EngineEvent)
const throws = (run: () => unknown): boolean => {
  try {
    run()
    return false
  } catch {
    return true
  }
}

const TOKENS = {
  type: "tokens",
  requestId: "r",
  tokens: [
    { id: 7 },
    {
      id: 0,
      logProb: -0.5,
      top: [
        [0, -0.5],
        [9, -3],
      ],
    },
  ],
}
const WRONG = [
  undefined,
  null,
  -1,
  1.5,
  2 ** 60,
  Number.NaN,
  "7",
  true,
  {},
  [],
  [1],
  [[1, 2, 3]],
  [[-1, 0]],
  [["a", 0]],
]

/** Every value that differs from `value` in one place, by one of `WRONG`. */
function* changed(value: unknown): Generator<unknown> {
  yield* WRONG
  if (Array.isArray(value)) {
    for (let i = 0; i < value.length; i++) for (const other of changed(value[i])) yield value.with(i, other)
  } else if (typeof value === "object" && value !== null) {
    for (const [key, own] of Object.entries(value)) for (const other of changed(own)) yield { ...value, [key]: other }
  }
}

describe("decodeEvents", () => {
  test("takes tokens exactly where the schema does", () => {
    let numTaken = 0
    let numRefused = 0
    for (const event of changed(TOKENS)) {
      // As it comes out of JSON: what is undefined is not there.
      const sent = JSON.parse(JSON.stringify({ event })) as { event?: unknown }
      const refused = throws(() => bySchema(sent.event))
      expect(
        throws(() => decodeEvents({ version: PROTOCOL_VERSION, events: [sent.event] })),
        JSON.stringify(sent),
      ).toBe(refused)
      if (refused) numRefused++
      else numTaken++
    }
    expect(numTaken).toBeGreaterThan(10)
    expect(numRefused).toBeGreaterThan(100)
  })

  test("keeps the order of a step's events, of whatever kind", () => {
    const started = { type: "started", requestId: "r", cachedTokens: 1, queueMs: 0, prefillMs: 2 }
    const loading = { type: "loading", step: "reading weights", done: 1, total: 2 }
    const events = [started, TOKENS, loading]
    expect(decodeEvents({ version: PROTOCOL_VERSION, events })).toEqual(events as never)
  })

  test.each([
    [undefined, "version: expected 1, found nothing"],
    [{ version: 2, events: [] }, "version: expected 1, found 2"],
    [{ version: 1 }, "events: expected an array, found undefined"],
    [{ version: 1, events: [{ type: "gossip" }] }, "type"],
  ])("%j is refused", (envelope, message) => {
    expect(() => decodeEvents(envelope)).toThrow(message)
  })
})
