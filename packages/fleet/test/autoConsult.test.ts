/** Requests to `auto` that are consulted because they are complex, and those that are not. */
import { afterAll, beforeEach, describe, expect } from "bun:test"
import { itEffect } from "@consilium/testing/effect"
import { type FakePeer, startFakePeer } from "@consilium/testing/peer"
import { Effect } from "effect"
import { createCostRouter, type FleetApi, trainRouter } from "../src/index.ts"
import { openFleet, tableRouter } from "./fleetOf.ts"
import { requestOf } from "./requestOf.ts"
import { whileTimePasses } from "./whileTimePasses.ts"

const names = ["small", "large", "desk"] as const
type Name = (typeof names)[number]
const peers = Object.fromEntries(names.map((name) => [name, startFakePeer()])) as Record<Name, FakePeer>
afterAll(() => names.forEach((name) => peers[name].stop()))
beforeEach(() => names.forEach((name) => peers[name].does({ kind: "answer", pieces: ["by ", name] })))

const EXTRA = { small: 'role = "cheap"', large: 'role = "strong"', desk: "generalist = true" }
const tomlOf = (consult: string): string =>
  `deadline = "1s"\ntimeout = "500ms"\nconsult = { ${consult} }\n` +
  names
    .map(
      (name) =>
        `[fleet.experts.${name}]\nkind = "remote"\nurl = "${peers[name].url}"\nmodel = "m"\n${EXTRA[name]}\nprice = { output = 100 }\n`,
    )
    .join("")

const LONG = `Compare these. ${"word ".repeat(400)}\n1. Why?\n2. How?\n3. Since when?\n4. For whom?`
const router = tableRouter(names, { [LONG]: [0.9, 0.8, 0.3], clear: [0.9, 0.1, 0.1], "hello?": [0.1, 0.1, 0.1] })

const ask = (fleet: FleetApi, content: string, change: Parameters<typeof requestOf>[1] = {}) =>
  Effect.suspend(() => {
    let text = ""
    const say: Parameters<FleetApi["answer"]>[1] = (event) => void (event.type === "text" && (text += event.text))
    return Effect.map(fleet.answer(requestOf(content, change), say), ({ report }) => ({ text, ...report }))
  })

describe("consultation of complex requests", () => {
  itEffect("the complex are consulted, and the answer says why; the simple go to who suits, or to the generalist", () =>
    Effect.gen(function* () {
      const fleet = yield* openFleet(tomlOf('kind = "synthesis"'), { router })
      const complex = yield* ask(fleet, LONG)
      expect([complex.text, complex.expert]).toEqual(["by large", "large"])
      expect(complex.consultation).toMatchObject({ kind: "synthesis", answered: ["small", "large", "desk"] })
      expect(complex.route.why).toStartWith("consulted: complexity 0.85, from 0.6 on: about 5")
      expect(complex.route.complexity).toBe(0.85)
      // Three proposals and the synthesis, all paid for.
      expect(complex.cost.usd).toBeCloseTo(8e-4)

      const clear = yield* ask(fleet, "clear")
      expect([clear.expert, clear.consultation, clear.route.why]).toEqual(["small", undefined, "score 0.9"])
      expect(clear.route.complexity).toBeLessThan(0.01)
      const simple = yield* ask(fleet, "hello?")
      expect([simple.expert, simple.route.why]).toEqual(["desk", "no expert stands out: the generalist's"])
    }),
  )

  itEffect("streams are consulted where the answer streams, which is a synthesis", () =>
    Effect.gen(function* () {
      const written = yield* ask(yield* openFleet(tomlOf('kind = "synthesis"'), { router }), LONG, { isStream: true })
      expect(written.consultation).toBeDefined()
      const best = yield* openFleet(tomlOf('kind = "best-of"'), { router })
      const streamed = yield* ask(best, LONG, { isStream: true })
      expect([streamed.consultation, streamed.route.complexity]).toEqual([undefined, undefined])
      expect((yield* ask(best, LONG)).consultation).toMatchObject({ kind: "best-of" })
    }),
  )

  itEffect("the request's budget and deadline hold: too little for two asks one, who is late is missing", () =>
    Effect.gen(function* () {
      const fleet = yield* openFleet(tomlOf('kind = "vote", experts = 2'), { router })
      // An answer of 10 tokens is estimated at 0.001 dollars: two and the judge's are three.
      const poor = yield* ask(fleet, LONG, { maxTokens: 10, budgetUsd: 0.0025 })
      expect([poor.consultation, poor.attempts.length, poor.route.why]).toEqual([undefined, 1, "score 0.9"])
      expect((yield* ask(fleet, LONG, { maxTokens: 10, budgetUsd: 0.0031 })).consultation).toBeDefined()
      peers.small.does({ kind: "hang" })
      const late = yield* whileTimePasses(ask(fleet, LONG))
      expect([late.text, late.consultation!.missing]).toEqual(["by large", ["small"]])
    }),
  )

  itEffect("a cost-quality router says what is complex, where there is one", () =>
    Effect.gen(function* () {
      const examples = Array.from({ length: 120 }, (_, i) => ({
        request: { text: i % 2 === 0 ? `an easy sum, ${i}` : `a hard proof, ${i}`, numImages: 0, hasTools: false },
        targets: Float32Array.of(i % 2 === 0 ? 1 : 0, 1),
      }))
      const training = { experts: ["small", "large"], task: "cost-quality", model: "linear", seed: 1 } as const
      const own = createCostRouter(trainRouter(examples, training))
      const fleet = yield* openFleet(tomlOf('kind = "synthesis", from = 0.5'), { router: own })
      const hard = yield* ask(fleet, "a hard proof")
      expect(hard.consultation).toBeDefined()
      expect(hard.route.why).toMatch(
        /: the strong expert gains more by it than by \d+ % of what the router was judged by$/,
      )
      const easy = yield* ask(fleet, "an easy sum")
      expect(easy.consultation).toBeUndefined()
      expect(easy.route.complexity).toBeLessThan(0.5)
    }),
  )
})
