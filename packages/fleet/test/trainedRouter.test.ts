/** A fleet whose router was trained: read from its file, asked, and moved by feedback. */
import { itEffect } from "@consilium/testing/effect"
import { startFakePeer } from "@consilium/testing/peer"
import { afterAll, describe, expect, test } from "bun:test"
import { Effect } from "effect"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { encodeRouter, type Feedback, type FleetApi, loadFleetRouter, trainRouter } from "../src/index.ts"
import { BANK_EXPERTS, bankExamples } from "./bankExamples.ts"
import { fleetOf, openFleet } from "./fleetOf.ts"
import { requestOf } from "./requestOf.ts"

const dir = mkdtempSync(join(tmpdir(), "consilium-fleet-router-"))
const peer = startFakePeer({ kind: "answer", pieces: ["yes"] })
afterAll(() => {
  peer.stop()
  rmSync(dir, { recursive: true })
})

const bank = join(dir, "bank.router")
const bankWeights = trainRouter(bankExamples(), { experts: BANK_EXPERTS, task: "choose", model: "linear", seed: 3 })
writeFileSync(bank, encodeRouter(bankWeights))

const cost = join(dir, "cost.router")
const outcomes = Array.from({ length: 120 }, (_, i) => ({
  request: {
    text: i % 2 === 0 ? `an easy sum, number ${i}` : `a hard proof, number ${i}`,
    numImages: 0,
    hasTools: false,
  },
  targets: Float32Array.of(i % 2 === 0 ? 1 : 0, 1),
}))
const costWeights = trainRouter(outcomes, {
  experts: ["small", "large"],
  task: "cost-quality",
  model: "linear",
  seed: 1,
})
writeFileSync(cost, encodeRouter(costWeights))

const tomlOf = (router: string, experts: Readonly<Record<string, string>>): string =>
  `router = "${router}"\n` +
  Object.entries(experts)
    .map(([name, extra]) => `[fleet.experts.${name}]\nkind = "remote"\nurl = "${peer.url}"\nmodel = "m"\n${extra}\n`)
    .join("")
const BANK = tomlOf(bank, { exchange: "", loans: "", cards: "" })
const COST = tomlOf(cost, {
  small: 'role = "cheap"',
  other: 'rules = { keywords = ["ours"] }',
  large: 'role = "strong"',
})

const openTrained = (toml: string) => openFleet(toml, { router: loadFleetRouter(fleetOf(toml))! })
const ask = (fleet: FleetApi, content: string, change: Parameters<typeof requestOf>[1] = {}) =>
  Effect.map(
    fleet.answer(requestOf(content, change), () => {}),
    ({ report }) => report,
  )

describe("a fleet with a trained router", () => {
  itEffect("asks whom the router's file says, whatever the order of the table", () =>
    Effect.gen(function* () {
      const fleet = yield* openTrained(BANK)
      expect((yield* ask(fleet, "Somebody stole my bank card")).expert).toBe("cards")
      expect((yield* ask(fleet, "我想申请房贷")).expert).toBe("loans")
      const { expert, route } = yield* ask(fleet, "dollars into euros, what is the exchange rate")
      expect(expert).toBe("exchange")
      expect(route.why).toMatch(/^score 0\.\d+$/)
    }),
  )

  itEffect("a cost-quality router's gain shares requests out: the hard ones go to the strong expert", () =>
    Effect.gen(function* () {
      const fleet = yield* openTrained(COST)
      const target = { kind: "share", share: 0.4 } as const
      const asked = { easy: 0, hard: 0 }
      const strong = { easy: 0, hard: 0 }
      for (let i = 0; i < 200; i++) {
        const kind = i % 2 === 0 ? "easy" : "hard"
        const { expert } = yield* ask(fleet, kind === "easy" ? `an easy sum, no. ${i}` : `a hard proof, no. ${i}`, {
          target,
        })
        // The first ones teach it what margins are usual.
        if (i < 60) continue
        asked[kind]++
        if (expert === "large") strong[kind]++
      }
      expect(strong.easy).toBe(0)
      expect(Math.abs((strong.easy + strong.hard) / (asked.easy + asked.hard) - 0.4)).toBeLessThan(0.08)
      // Without a share words and rules decide: it knows nothing of the third.
      expect((yield* ask(fleet, "one of ours")).expert).toBe("other")
    }),
  )

  itEffect("feedback moves the scores of requests like it, once for each answer", () =>
    Effect.gen(function* () {
      const fleet = yield* openTrained(BANK)
      const prompt = "My card was stolen yesterday"
      const scoreOf = (report: {
        readonly route: { readonly scores: readonly { readonly expert: string; readonly base: number }[] }
      }) => report.route.scores.find(({ expert }) => expert === "cards")!.base
      const first = yield* ask(fleet, prompt, { requestId: "one" })
      const feedback: Feedback = { about: { kind: "answer", requestId: "one" }, reward: -1 }
      const { expert, before, after } = yield* fleet.learn(feedback)
      expect([expert, before < after]).toEqual(["cards", false])
      expect(scoreOf(yield* ask(fleet, prompt))).toBeCloseTo(after, 3)
      expect(scoreOf(first)).toBeCloseTo(before, 3)
      expect((yield* Effect.flip(fleet.learn(feedback))).message).toContain("There is no such answer")

      for (let i = 0; i < 40; i++) yield* fleet.learn({ about: { kind: "prompt", prompt, expert: "loans" }, reward: 1 })
      expect((yield* ask(fleet, prompt)).expert).toBe("loans")
      const stranger = { about: { kind: "prompt", prompt, expert: "weather" }, reward: 1 } as const
      expect((yield* Effect.flip(fleet.learn(stranger))).code).toBe("bad-request")
      const untrained = yield* openFleet(BANK, {})
      expect((yield* Effect.flip(untrained.learn(stranger))).message).toContain("no trained router")
    }),
  )
})

test.each([
  ["a file that is none", tomlOf(join(dir, "none.router"), { a: "" }), "none.router: expected a readable router"],
  [
    "a router of others",
    tomlOf(bank, { cards: "", loans: "" }),
    'expected a router of cards, loans, found one that knows "exchange"',
  ],
  [
    "a strong expert that is none",
    tomlOf(cost, { small: 'role = "cheap"', large: "" }),
    'expected a router whose strong expert is one of the role "strong", found "large"',
  ],
])("loadFleetRouter: %s is refused", (_, toml, message) => {
  expect(() => loadFleetRouter(fleetOf(toml))).toThrow(message)
})
