/** A fleet's router file is replaced while requests are under way. */
import { itEffect } from "@consilium/testing/effect"
import { startFakePeer } from "@consilium/testing/peer"
import { afterAll, beforeEach, describe, expect } from "bun:test"
import { Effect, Fiber } from "effect"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { encodeRouter, type FleetApi, loadFleetRouter, trainRouter } from "../src/index.ts"
import { fleetOf, openFleet } from "./fleetOf.ts"
import { requestOf } from "./requestOf.ts"

const dir = mkdtempSync(join(tmpdir(), "consilium-swap-router-"))
const path = join(dir, "own.router")
const peer = startFakePeer({ kind: "answer", pieces: ["yes"] })
afterAll(() => {
  peer.stop()
  rmSync(dir, { recursive: true })
})

/** A router for which all that is red is the first expert's. */
function fileOf(experts: readonly [string, string]): Uint8Array {
  const examples = ["red apple", "green leaf", "red rose", "green grass"].map((text, i) => ({
    request: { text, numImages: 0, hasTools: false },
    targets: i % 2 === 0 ? Float32Array.of(1, 0) : Float32Array.of(0, 1),
  }))
  return encodeRouter(trainRouter(examples, { experts, task: "choose", model: "linear", seed: 1 }))
}
const first = fileOf(["a", "b"])
const turned = fileOf(["b", "a"])
const sha256 = (bytes: Uint8Array): string => new Bun.CryptoHasher("sha256").update(bytes).digest("hex")
beforeEach(() => writeFileSync(path, first))

const TOML =
  `router = "${path}"\n` +
  ["a", "b"].map((name) => `[fleet.experts.${name}]\nkind = "remote"\nurl = "${peer.url}"\nmodel = "m"\n`).join("")
const open = () => openFleet(TOML, { router: loadFleetRouter(fleetOf(TOML))! })
const ask = (fleet: FleetApi, requestId = "r") =>
  Effect.map(
    fleet.answer(requestOf("a red apple", { requestId }), () => {}),
    ({ report }) => report,
  )

describe("swapRouter", () => {
  itEffect("the new file is asked from the next request on, and says which it is and since when", () =>
    Effect.gen(function* () {
      const fleet = yield* open()
      expect(fleet.router()).toEqual({ kind: "choose", path, sha256: sha256(first), sinceMs: 0, numTaught: 0 })
      expect((yield* ask(fleet)).expert).toBe("a")
      writeFileSync(path, turned)
      expect((yield* ask(fleet)).expert).toBe("a")
      const { router, before } = yield* fleet.swapRouter
      expect([router.sha256, before.sha256]).toEqual([sha256(turned), sha256(first)])
      expect(fleet.router()).toEqual(router)
      expect((yield* ask(fleet)).expert).toBe("b")
    }),
  )

  itEffect("a request under way ends with the router that it began with", () =>
    Effect.gen(function* () {
      const fleet = yield* open()
      const arrived = peer.requests.length
      peer.does({ kind: "answer", pieces: ["yes"], pauseMs: 50 })
      const running = yield* Effect.forkChild(ask(fleet))
      yield* Effect.promise(async () => {
        while (peer.requests.length === arrived) await new Promise((resolve) => setTimeout(resolve, 1))
      })
      writeFileSync(path, turned)
      yield* fleet.swapRouter
      const { expert, route } = yield* Fiber.join(running)
      expect([expert, route.scores[0]!.expert]).toEqual(["a", "a"])
      expect((yield* ask(fleet)).expert).toBe("b")
    }),
  )

  itEffect("feedback's corrections go with the router that they corrected; later feedback teaches the new one", () =>
    Effect.gen(function* () {
      const fleet = yield* open()
      yield* ask(fleet, "old")
      const about = { kind: "prompt", prompt: "a red apple", expert: "b" } as const
      for (let i = 0; i < 40; i++) yield* fleet.learn({ about, reward: 1 })
      expect((yield* ask(fleet)).expert).toBe("b")
      const { router, before } = yield* fleet.swapRouter
      expect([before.numTaught, router.numTaught]).toEqual([40, 0])
      expect((yield* ask(fleet)).expert).toBe("a")
      // An answer of before the swap is remembered.
      const taught = yield* fleet.learn({ about: { kind: "answer", requestId: "old" }, reward: 1 })
      expect([taught.expert, fleet.router().numTaught]).toEqual(["a", 1])
    }),
  )

  itEffect("a file that is damaged, cut short, gone or of other experts is refused, and the old one goes on", () =>
    Effect.gen(function* () {
      const fleet = yield* open()
      const before = fleet.router()
      const damaged = Uint8Array.from(turned)
      damaged[damaged.length - 1]! ^= 1
      const wrongs: readonly (readonly [() => void, string])[] = [
        [() => writeFileSync(path, damaged), "expected its checksum, found a damaged or truncated file"],
        [() => writeFileSync(path, turned.subarray(0, 100)), "own.router: expected"],
        [() => writeFileSync(path, fileOf(["a", "c"])), 'expected a router of a, b, found one that knows "c"'],
        [() => rmSync(path), "expected a readable router, found ENOENT"],
      ]
      for (const [write, message] of wrongs) {
        write()
        const error = yield* Effect.flip(fleet.swapRouter)
        expect(error.code).toBe("bad-request")
        expect(error.message).toStartWith("The router stays as it was: ")
        expect(error.message).toContain(message)
        expect(fleet.router()).toEqual(before)
        expect((yield* ask(fleet)).expert).toBe("a")
      }
    }),
  )

  itEffect("a fleet without a router's file has none to replace", () =>
    Effect.gen(function* () {
      const fleet = yield* openFleet(TOML.replace(/^router.*\n/, ""), {})
      expect(fleet.router()).toEqual({ kind: "words", sinceMs: 0, numTaught: 0 })
      expect((yield* Effect.flip(fleet.swapRouter)).message).toContain("name one in fleet.router")
    }),
  )
})
