/** Consultation of fake peers: one answer of several, by a judge, a vote or a lead. */
import { afterAll, beforeEach, describe, expect } from "bun:test"
import { itEffect } from "@consilium/testing/effect"
import { type FakePeer, startFakePeer } from "@consilium/testing/peer"
import { Effect } from "effect"
import type { ConsultKind, FleetApi } from "../src/index.ts"
import { openFleet, tableRouter } from "./fleetOf.ts"
import { requestOf } from "./requestOf.ts"
import { whileTimePasses } from "./whileTimePasses.ts"

const names = ["a", "b", "c", "lead"] as const
const peers = Object.fromEntries(names.map((name) => [name, startFakePeer()])) as Record<
  (typeof names)[number],
  FakePeer
>
afterAll(() => names.forEach((name) => peers[name].stop()))
beforeEach(() => names.forEach((name) => peers[name].does({ kind: "answer", pieces: [`by ${name}`] })))

const router = tableRouter(names, { q: [0.9, 0.8, 0.7, 0.1] })
const TOML =
  'deadline = "1s"\ntimeout = "500ms"\n' +
  names
    .map((name) => {
      const role = name === "lead" ? 'role = "strong"\n' : ""
      const price = "price = { input = 0, output = 100 }\n"
      return `[fleet.experts.${name}]\nkind = "remote"\nurl = "${peers[name].url}"\nmodel = "m"\n${role}${price}`
    })
    .join("")

const ask = (fleet: FleetApi, kind: ConsultKind, change: Parameters<typeof requestOf>[1] = {}) =>
  Effect.suspend(() => {
    const said: string[] = []
    const request = requestOf("q", { consult: { kind, numExperts: 3 }, ...change })
    const say: Parameters<FleetApi["answer"]>[1] = (event) => void (event.type === "text" && said.push(event.text))
    return Effect.map(fleet.answer(request, say), ({ report, finishes }) => ({ text: said.join(""), report, finishes }))
  })
const fleetWith = openFleet(TOML, { router })

describe("consultation", () => {
  itEffect("vote: the answer that most gave", () =>
    Effect.gen(function* () {
      peers.b.does({ kind: "answer", pieces: ["42"] })
      peers.c.does({ kind: "answer", pieces: ["42."] })
      const { text, report, finishes } = yield* ask(yield* fleetWith, "vote")
      expect(text).toBe("42")
      expect(finishes.length).toBe(1)
      expect(report).toMatchObject({
        expert: "b",
        consultation: {
          kind: "vote",
          answered: ["a", "b", "c"],
          missing: [],
          isPartial: false,
          decision: "2 of 3 said the same",
        },
      })
      // All three are paid for.
      expect(report.cost.usd).toBeCloseTo(3e-4)
    }),
  )

  itEffect("best-of: the judge sees all answers, and names one", () =>
    Effect.gen(function* () {
      peers.lead.does({ kind: "answer", pieces: ["Answer ", "3"] })
      const { text, report } = yield* ask(yield* fleetWith, "best-of")
      expect(text).toBe("by c")
      expect(report).toMatchObject({ expert: "c", consultation: { decision: "the judge lead chose it of 3" } })
      const asked = JSON.stringify(peers.lead.requests.at(-1))
      for (const name of ["a", "b", "c"]) expect(asked).toContain(`by ${name}`)
    }),
  )

  itEffect("best-of: a judge that fails, or that says nothing of use, leaves the best-scored answer", () =>
    Effect.gen(function* () {
      const fleet = yield* fleetWith
      peers.lead.does({ kind: "answer", pieces: ["All are fine."] })
      const vague = yield* ask(fleet, "best-of")
      expect([vague.text, vague.report.consultation!.decision]).toEqual([
        "by a",
        "the judge named no answer: the answer of the best-scored expert",
      ])
      peers.lead.does({ kind: "status", status: 500 })
      expect((yield* ask(fleet, "best-of")).report.consultation!.decision).toStartWith("the judge failed")
    }),
  )

  itEffect("synthesis: a lead writes the answer, streamed to who streams", () =>
    Effect.gen(function* () {
      peers.lead.does({ kind: "answer", pieces: ["The ", "whole."] })
      const { text, report } = yield* ask(yield* fleetWith, "synthesis", { isStream: true })
      expect(text).toBe("The whole.")
      expect(report).toMatchObject({ expert: "lead", consultation: { decision: "lead wrote it from 3 answers" } })
    }),
  )

  itEffect("synthesis: a lead that fails leaves the best-scored answer", () =>
    Effect.gen(function* () {
      peers.lead.does({ kind: "cut", pieces: ["The "] })
      const { text, report } = yield* ask(yield* fleetWith, "synthesis")
      expect([text, report.expert]).toEqual(["by a", "a"])
    }),
  )

  itEffect("an expert that is late or fails is missing, and the answer says so", () =>
    Effect.gen(function* () {
      peers.a.does({ kind: "hang" })
      peers.b.does({ kind: "status", status: 500 })
      const { text, report } = yield* whileTimePasses(ask(yield* fleetWith, "vote"))
      expect(text).toBe("by c")
      expect(report.consultation).toEqual({
        kind: "vote",
        answered: ["c"],
        missing: ["a", "b"],
        isPartial: true,
        decision: "only one answer came: nobody had to decide",
      })
      expect(report.attempts.map(({ expert, outcome }) => `${expert} ${outcome}`).sort()).toEqual([
        "a timeout",
        "b server-error",
        "c answered",
      ])
    }),
  )

  itEffect("where none of them answers the others are tried, and the deadline holds for all together", () =>
    Effect.gen(function* () {
      for (const name of ["a", "b", "c"] as const) peers[name].does({ kind: "status", status: 500 })
      const { text, report } = yield* ask(yield* fleetWith, "vote")
      expect(text).toBe("by lead")
      expect(report.consultation).toMatchObject({ answered: [], isPartial: true })
      // Nobody who has failed is asked once more.
      expect(report.attempts.map(({ expert }) => expert).sort()).toEqual(["a", "b", "c", "lead"])
      peers.lead.does({ kind: "status", status: 500 })
      const failed = yield* Effect.flip(ask(yield* fleetWith, "vote"))
      expect([failed.code, failed.attempts.length]).toEqual(["all-failed", 4])
      for (const name of names) peers[name].does({ kind: "hang" })
      const error = yield* Effect.flip(whileTimePasses(ask(yield* fleetWith, "synthesis")))
      expect(error.code).toBe("deadline")
    }),
  )

  itEffect("a budget asks fewer; where it pays for nobody beside the judge, one answers", () =>
    Effect.gen(function* () {
      // An answer of 10 tokens is estimated at 0.001 dollars; one of these is the judge's.
      const { report } = yield* ask(yield* fleetWith, "vote", { maxTokens: 10, budgetUsd: 0.0031 })
      expect(report.consultation!.answered).toEqual(["a", "b"])
      const poor = yield* ask(yield* fleetWith, "vote", { maxTokens: 10, budgetUsd: 0.0015 })
      expect(poor.report.attempts.map(({ expert }) => expert)).toEqual(["a"])
      const refused = yield* Effect.flip(ask(yield* fleetWith, "vote", { maxTokens: 10, budgetUsd: 0 }))
      expect([refused.code, refused.attempts]).toEqual(["over-budget", []])
    }),
  )
})
