/** Failover of a fleet of fake peers: who is asked, in which order, and what the client sees of it. */
import { afterAll, beforeEach, describe, expect } from "bun:test"
import { type FakePeer, type PeerBehaviour, startFakePeer } from "@consilium/testing/peer"
import { itEffect } from "@consilium/testing/effect"
import { Clock, Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import type { FleetApi } from "../src/index.ts"
import { openFleet, tableRouter } from "./fleetOf.ts"
import { requestOf } from "./requestOf.ts"
import { whileTimePasses } from "./whileTimePasses.ts"

const names = ["risk", "risk2", "copy", "desk"] as const
const peers = Object.fromEntries(names.map((name) => [name, startFakePeer()])) as Record<
  (typeof names)[number],
  FakePeer
>
afterAll(() => names.forEach((name) => peers[name].stop()))
beforeEach(() => names.forEach((name) => peers[name].does({ kind: "answer", pieces: [name] })))

const expert = (name: keyof typeof peers, extra = ""): string =>
  `[fleet.experts.${name}]\nkind = "remote"\nurl = "${peers[name].url}"\nmodel = "m"\n${extra}\n`
/** risk has a standby; copy suits second; desk is the generalist. */
const TOML = (head = "") =>
  `${head}\n` +
  expert("risk", 'standby = "risk2"\nprice = { input = 10, output = 100 }') +
  expert("risk2", "continues = true") +
  expert("copy") +
  expert("desk", "generalist = true")
const router = tableRouter(names, { both: [0.9, 0, 0.5, 0], risky: [0.9, 0, 0.1, 0] })
const FAIL: PeerBehaviour = { kind: "status", status: 500 }

const fleetWith = (head = "") => openFleet(TOML(head), { router })

/** Asks, and returns text, report and attempts as `expert outcome`. */
const ask = (fleet: FleetApi, content: string, change: Parameters<typeof requestOf>[1] = {}) =>
  Effect.suspend(() => {
    const said: string[] = []
    return fleet
      .answer(requestOf(content, change), (event) => void (event.type === "text" && said.push(event.text)))
      .pipe(
        Effect.map(({ report, finishes }) => ({
          text: said.join(""),
          report,
          finishes,
          attempts: report.attempts.map(({ expert: name, outcome }) => `${name} ${outcome}`),
        })),
        Effect.mapError((error) => Object.assign(error, { said: said.join("") })),
      )
  })

describe("failover", () => {
  itEffect("the best expert answers, and the report says why and what it cost", () =>
    Effect.gen(function* () {
      const { text, report, attempts } = yield* ask(yield* fleetWith(), "both")
      expect(text).toBe("risk")
      expect(attempts).toEqual(["risk answered"])
      expect(report).toMatchObject({ expert: "risk", backend: "remote", route: { model: "auto", why: "score 0.9" } })
      expect(report.route.scores.map(({ expert: name }) => name)).toEqual(["risk", "copy", "risk2", "desk"])
      // 7 tokens at 10 dollars a million, 1 at 100.
      expect(report.cost).toEqual({ usd: (7 * 10 + 100) / 1e6, promptTokens: 7, generatedTokens: 1 })
    }),
  )

  itEffect("the order is standby, next best that suits, generalist, a clear error", () =>
    Effect.gen(function* () {
      for (const name of names) peers[name].does(FAIL)
      const error = yield* Effect.flip(ask(yield* fleetWith(), "both"))
      expect(error.code).toBe("all-failed")
      expect(error.attempts.map(({ expert: name }) => name)).toEqual(["risk", "risk2", "copy", "desk"])
      expect(error.message).toContain("risk: server-error (status 500")
    }),
  )

  itEffect("an expert that does not suit is passed over for the generalist", () =>
    Effect.gen(function* () {
      peers.risk.does(FAIL)
      peers.risk2.does(FAIL)
      const fleet = yield* fleetWith()
      const risky = yield* ask(fleet, "risky")
      expect(risky.attempts).toEqual(["risk server-error", "risk2 server-error", "desk answered"])
      expect(risky.report.route.why).toBe("it stands in for those that suit better")
      const nobodys = yield* ask(fleet, "of nobody's domain")
      expect(nobodys.report).toMatchObject({ expert: "desk", route: { why: "no expert stands out: the generalist's" } })
    }),
  )

  itEffect("a request that names its expert goes to it and to its standby, to nobody else", () =>
    Effect.gen(function* () {
      const fleet = yield* fleetWith()
      const target = { kind: "expert", name: "risk" } as const
      peers.risk.does(FAIL)
      const answered = yield* ask(fleet, "both", { target })
      expect(answered.attempts).toEqual(["risk server-error", "risk2 answered"])
      expect(answered.report.route.why).toBe("it stands in for the one that was asked for")
      peers.risk2.does(FAIL)
      const error = yield* Effect.flip(ask(fleet, "both", { target }))
      expect(error.attempts.map(({ expert: name }) => name)).toEqual(["risk", "risk2"])
    }),
  )

  itEffect("what is not streamed is answered once, however much a failed attempt had said", () =>
    Effect.gen(function* () {
      peers.risk.does({ kind: "cut", pieces: ["half an "] })
      const { text, attempts } = yield* ask(yield* fleetWith(), "both")
      expect(text).toBe("risk2")
      expect(attempts).toEqual(["risk cut-stream", "risk2 answered"])
    }),
  )

  itEffect("a stream is gone on with by a standby that can, from the same prefix", () =>
    Effect.gen(function* () {
      peers.risk.does({ kind: "cut", pieces: ["Once ", "upon "] })
      peers.risk2.does({ kind: "answer", pieces: ["a ", "time"] })
      const { text, attempts } = yield* ask(yield* fleetWith(), "both", { isStream: true })
      expect(text).toBe("Once upon a time")
      expect(attempts).toEqual(["risk cut-stream", "risk2 answered"])
      expect(peers.risk2.requests.at(-1)).toMatchObject({
        messages: [{ role: "user" }, { role: "assistant", content: "Once upon " }],
        continue_final_message: true,
      })
    }),
  )

  itEffect("a stream that nobody can go on with ends in an error, and nobody begins anew", () =>
    Effect.gen(function* () {
      peers.risk.does(FAIL)
      peers.risk2.does({ kind: "cut", pieces: ["Once "] })
      const error = yield* Effect.flip(ask(yield* fleetWith(), "both", { isStream: true }))
      expect(error.code).toBe("all-failed")
      expect(error.said).toBe("Once ")
      expect(error.attempts.map(({ expert: name }) => name)).toEqual(["risk", "risk2"])
    }),
  )

  itEffect("an attempt that hangs is given up in its own time, and the deadline holds for all of them", () =>
    Effect.gen(function* () {
      const fleet = yield* fleetWith('timeout = "100ms"\ndeadline = "250ms"')
      for (const name of names) peers[name].does({ kind: "hang" })
      const began = yield* Clock.currentTimeMillis
      const error = yield* Effect.flip(whileTimePasses(ask(fleet, "both")))
      expect((yield* Clock.currentTimeMillis) - began).toBeLessThanOrEqual(250)
      expect(error.code).toBe("deadline")
      expect(error.attempts.map(({ expert: name, outcome }) => `${name} ${outcome}`)).toEqual([
        "risk timeout",
        "risk2 timeout",
        "copy timeout",
      ])
      // The last one had 40 ms of its 100: what would have come then, nobody knows.
      expect((yield* fleet.state).map(({ breaker }) => breaker.numFailures)).toEqual([1, 1, 0, 0])
    }),
  )

  itEffect("one that is silent for the whole of a deadline failed, however much more time the table gives it", () =>
    Effect.gen(function* () {
      const fleet = yield* fleetWith('timeout = "200ms"\ndeadline = "200ms"')
      for (const name of names) peers[name].does({ kind: "hang" })
      yield* Effect.flip(whileTimePasses(ask(fleet, "both")))
      expect((yield* fleet.state).map(({ breaker }) => breaker.numFailures)).toEqual([1, 0, 0, 0])
    }),
  )

  itEffect("a peer that trickles forever is ended by the deadline", () =>
    Effect.gen(function* () {
      const fleet = yield* fleetWith('timeout = "100ms"\ndeadline = "300ms"')
      peers.risk.does({ kind: "answer", pieces: Array(1000).fill("."), pauseMs: 1 })
      const error = yield* Effect.flip(whileTimePasses(ask(fleet, "both", { isStream: true })))
      expect(error.code).toBe("deadline")
      expect(error.attempts.map(({ outcome }) => outcome)).toEqual(["interrupted"])
    }),
  )

  itEffect("an expert that fails again and again cools down, is passed over, and comes back by a probe", () =>
    Effect.gen(function* () {
      const fleet = yield* fleetWith('[fleet.breaker]\nmax-failures = 2\nfirst-backoff = "150ms"')
      peers.risk.does(FAIL)
      yield* ask(fleet, "both")
      yield* ask(fleet, "both")
      const cooling = (yield* fleet.state)[0]!
      expect(cooling.breaker).toMatchObject({ state: "open", numFailures: 2 })
      expect(cooling.breaker.why).toContain("status 500")
      const passed = yield* ask(fleet, "both")
      expect(passed.attempts).toEqual(["risk2 answered"])
      expect(passed.report.route.scores.find(({ expert: name }) => name === "risk")!.unavailable).toBe("cooling down")
      peers.risk.does({ kind: "answer", pieces: ["back"] })
      yield* TestClock.adjust("200 millis")
      expect((yield* ask(fleet, "both")).text).toBe("back")
      expect((yield* fleet.state)[0]!.breaker.state).toBe("closed")
    }),
  )

  itEffect(
    "too many requests are no fault: the expert is left alone as long as it asked, and its breaker stays closed",
    () =>
      Effect.gen(function* () {
        const fleet = yield* fleetWith()
        peers.risk.does({ kind: "status", status: 429, headers: { "retry-after": "30" } })
        expect((yield* ask(fleet, "both")).attempts).toEqual(["risk rate-limited", "risk2 answered"])
        peers.risk.does({ kind: "answer", pieces: ["early"] })
        expect((yield* ask(fleet, "both")).attempts).toEqual(["risk2 answered"])
        const { breaker, pausedUntilMs } = (yield* fleet.state)[0]!
        expect(breaker.state).toBe("closed")
        expect(pausedUntilMs).toBeGreaterThan((yield* Clock.currentTimeMillis) + 20_000)
        const error = yield* Effect.flip(
          ask(fleet, "both", { target: { kind: "expert", name: "copy" }, budgetUsd: -1 }),
        )
        expect(error.code).toBe("over-budget")
      }),
  )

  itEffect("a client that leaves aborts the attempt, and nothing is held against the expert", () =>
    Effect.gen(function* () {
      const fleet = yield* fleetWith()
      peers.risk.does({ kind: "hang", pieces: ["Once "] })
      const before = peers.risk.numAbandoned
      const heard = Promise.withResolvers<void>()
      const answering = yield* Effect.forkChild(
        fleet.answer(requestOf("both", { isStream: true }), () => heard.resolve()),
      )
      yield* Effect.promise(() => heard.promise)
      yield* Fiber.interrupt(answering)
      while (peers.risk.numAbandoned === before)
        yield* Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 1)))
      expect((yield* fleet.state)[0]).toMatchObject({ numAnswering: 0, numFailed: 0, breaker: { state: "closed" } })
    }),
  )

  itEffect("an expert that is full, or has had its requests of the minute, is passed over", () =>
    Effect.gen(function* () {
      const toml =
        expert("risk", "limits = { concurrency = 1 }") + expert("copy", "limits = { requests-per-minute = 1 }")
      const fleet = yield* openFleet(toml, { router: tableRouter(["risk", "copy"], { both: [0.9, 0.5] }) })
      peers.risk.does({ kind: "hang", pieces: ["busy "] })
      const heard = Promise.withResolvers<void>()
      const first = yield* Effect.forkChild(fleet.answer(requestOf("both", { isStream: true }), () => heard.resolve()))
      yield* Effect.promise(() => heard.promise)
      expect((yield* ask(fleet, "both")).attempts).toEqual(["copy answered"])
      const error = yield* Effect.flip(ask(fleet, "both"))
      expect(error).toMatchObject({ code: "busy", attempts: [] })
      expect(error.retryAfterMs).toBeGreaterThan(50_000)
      yield* Fiber.interrupt(first)
    }),
  )

  itEffect("a client that leaves a probe leaves no verdict: the next request is the probe", () =>
    Effect.gen(function* () {
      const toml = expert("risk") + '[fleet.breaker]\nmax-failures = 1\nfirst-backoff = "100ms"\n'
      const fleet = yield* openFleet(toml, { router: tableRouter(["risk"], { both: [1] }) })
      peers.risk.does(FAIL)
      yield* Effect.flip(ask(fleet, "both"))
      yield* TestClock.adjust("200 millis")
      peers.risk.does({ kind: "hang", pieces: ["half "] })
      const heard = Promise.withResolvers<void>()
      const probing = yield* Effect.forkChild(
        fleet.answer(requestOf("both", { isStream: true }), () => heard.resolve()),
      )
      yield* Effect.promise(() => heard.promise)
      expect((yield* fleet.state)[0]).toMatchObject({ numAnswering: 1, breaker: { state: "half-open" } })
      yield* Fiber.interrupt(probing)
      expect((yield* fleet.state)[0]).toMatchObject({ numAnswering: 0, breaker: { state: "open", numFailures: 1 } })
      // The next one is the probe.
      peers.risk.does({ kind: "answer", pieces: ["back"] })
      expect((yield* ask(fleet, "both")).text).toBe("back")
    }),
  )
})
