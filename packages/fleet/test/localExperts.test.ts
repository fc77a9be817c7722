/** Local experts as engine processes of the embedded model, within one memory. */
import { afterAll, beforeAll, describe, expect } from "bun:test"
import { createAccounts, type LedgerEntry } from "@consilium/cost"
import { ensurePrepared } from "@consilium/model"
import { miniModelDir } from "@consilium/testing"
import { itEffect } from "@consilium/testing/effect"
import { startFakePeer } from "@consilium/testing/peer"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { FleetApi, LocalModel } from "../src/index.ts"
import { createPurse } from "../src/answer/Purse.ts"
import { openFleet } from "./fleetOf.ts"
import { ENGINE_BYTES, localModelOf } from "./localModelOf.ts"
import { requestOf } from "./requestOf.ts"

const cacheDir = mkdtempSync(join(tmpdir(), "consilium-fleet-"))
let preparedDir = ""
beforeAll(async () => {
  const options = { sourceDir: miniModelDir(), format: "int8" as const, cacheDir, onProgress: () => {} }
  preparedDir = (await ensurePrepared(options)).dir
})
afterAll(() => rmSync(cacheDir, { recursive: true, force: true }))

const localOf = (name: string): LocalModel => localModelOf(name, preparedDir)

const TOML = '[fleet.experts.a]\nkind = "local"\nmodel = "x"\n[fleet.experts.b]\nkind = "local"\nmodel = "x"\n'
const QUESTION = "I lost my credit card, what should I do?"

const ask = (fleet: FleetApi, name: string, change: Parameters<typeof requestOf>[1] = {}) =>
  Effect.suspend(() => {
    const said: string[] = []
    const request = requestOf(QUESTION, { target: { kind: "expert", name }, maxTokens: 24, ...change })
    const say = (event: { readonly type: string; readonly text?: string }) => void (event.text && said.push(event.text))
    return Effect.map(fleet.answer(request, say), ({ report }) => ({ report, text: said.join("") }))
  })

const awakeOf = (fleet: FleetApi) =>
  Effect.map(fleet.state, (experts) => experts.filter(({ local }) => local?.isAwake).map(({ name }) => name))

const live = { live: true, timeoutMs: 60_000 }

describe("local experts", () => {
  itEffect(
    "begin asleep, are woken by their requests, and the least recently used sleeps where memory has room for one",
    () =>
      Effect.gen(function* () {
        const fleet = yield* openFleet(TOML, { locals: [localOf("a"), localOf("b")], memoryBytes: 1.5 * ENGINE_BYTES })
        expect(yield* awakeOf(fleet)).toEqual([])
        const first = yield* ask(fleet, "a")
        expect(first.text.length).toBeGreaterThan(10)
        expect(first.report).toMatchObject({ expert: "a", cost: { usd: 0 } })
        expect(yield* awakeOf(fleet)).toEqual(["a"])
        expect((yield* ask(fleet, "b")).text).toBe(first.text)
        expect(yield* awakeOf(fleet)).toEqual(["b"])
        expect((yield* ask(fleet, "a")).text).toBe(first.text)
        expect(yield* awakeOf(fleet)).toEqual(["a"])
      }),
    live,
  )

  itEffect(
    "are all awake where memory has room for all, and nobody sleeps while it answers",
    () =>
      Effect.gen(function* () {
        const locals = [localOf("a"), localOf("b")]
        const roomy = yield* openFleet(TOML, { locals, memoryBytes: 2 * ENGINE_BYTES })
        yield* Effect.all([ask(roomy, "a"), ask(roomy, "b")], { concurrency: 2 })
        expect(yield* awakeOf(roomy)).toEqual(["a", "b"])

        const tight = yield* openFleet(TOML, { locals, memoryBytes: ENGINE_BYTES })
        const heard = Promise.withResolvers<void>()
        const request = requestOf(QUESTION, { target: { kind: "expert", name: "a" }, isStream: true, maxTokens: 200 })
        const first = yield* Effect.forkChild(tight.answer(request, () => heard.resolve()))
        yield* Effect.promise(() => heard.promise)
        // It waits for the first to end, which ends whole.
        yield* ask(tight, "b")
        const { finishes } = yield* Fiber.join(first)
        expect(finishes[0]!.usage.generatedTokens).toBeGreaterThan(5)
        expect(yield* awakeOf(tight)).toEqual(["b"])
      }),
    live,
  )

  itEffect(
    "are woken before an event that wants them, where nobody has to sleep for it",
    () =>
      Effect.gen(function* () {
        const recurs = { kind: "daily" } as const
        const event = { name: "rush", hour: 0, minute: 2, durationMs: 60_000, factor: 3, recurs, experts: [] }
        const toml = TOML.replaceAll('model = "x"', 'model = "x"\nevents = ["rush"]')
        const locals = [localOf("a"), localOf("b")]
        const calendar = { timeZone: "UTC", events: [event] }
        const fleet = yield* openFleet(toml, { locals, calendar, memoryBytes: 1.5 * ENGINE_BYTES })
        // The test's clock begins at midnight.
        yield* TestClock.adjust("59 seconds")
        expect(yield* awakeOf(fleet)).toEqual([])
        yield* TestClock.adjust("1 second")
        expect(yield* awakeOf(fleet)).toEqual(["a"])
        yield* TestClock.adjust("1 minute")
        expect(yield* awakeOf(fleet)).toEqual(["a"])
      }),
    { timeoutMs: 60_000 },
  )

  itEffect(
    "that want more memory than all have are refused with the cure",
    () =>
      Effect.gen(function* () {
        const fleet = yield* openFleet(TOML, { locals: [localOf("a"), localOf("b")], memoryBytes: ENGINE_BYTES / 2 })
        const error = yield* Effect.flip(ask(fleet, "a"))
        expect(error.message).toContain("a wants 512 MiB of memory, all local experts together have 256 MiB")
      }),
    live,
  )

  itEffect(
    "are in the ledger with what they used of their engine, also what a client left; remote ones used none of ours",
    () =>
      Effect.gen(function* () {
        const peer = startFakePeer({ kind: "cut", pieces: ["Please "] })
        yield* Effect.addFinalizer(() => Effect.sync(() => peer.stop()))
        const far = `[fleet.experts.far]\nkind = "remote"\nurl = "${peer.url}"\nmodel = "m"\nstandby = "a"\n`
        const toml = `${far}[fleet.experts.a]\nkind = "local"\nmodel = "x"\n`
        const fleet = yield* openFleet(toml, { locals: [localOf("a")] })
        const entries: LedgerEntry[] = []
        const ledger = { record: (entry: LedgerEntry) => void entries.push(entry), spend: () => [] }
        const purse = createPurse(createAccounts(ledger, []), "r", { key: "", agent: "", domain: "" })

        yield* ask(fleet, "far", { isStream: true, purse })
        const [remote, local] = entries
        expect(remote).toMatchObject({ expert: "far", outcome: "failed", expertBytes: 0, cpuMs: 0, numTogether: 1 })
        // The last token of an answer is never an input.
        const numComputed = local!.promptTokens - local!.cachedTokens + local!.generatedTokens - 1
        expect(local).toMatchObject({ expert: "a", outcome: "done", expertBytes: numComputed * 100 })
        expect(local!.numTogether).toBeCloseTo(1, 1)
        expect(local!.cpuMs).toBeGreaterThan(0)
        expect(local!.cpuMs).toBeLessThanOrEqual(local!.durationMs + 1)

        const heard = Promise.withResolvers<void>()
        const leaver = requestOf(QUESTION, { target: { kind: "expert", name: "a" }, isStream: true, purse })
        const leaving = yield* Effect.forkChild(fleet.answer(leaver, () => heard.resolve()))
        yield* Effect.promise(() => heard.promise)
        yield* Fiber.interrupt(leaving)
        expect(entries[2]).toMatchObject({ expert: "a", outcome: "cancelled" })
        expect(Math.min(entries[2]!.expertBytes, entries[2]!.cpuMs)).toBeGreaterThan(0)
      }),
    live,
  )

  itEffect(
    "go on with a remote stream that was cut",
    () =>
      Effect.gen(function* () {
        const peer = startFakePeer({ kind: "cut", pieces: ["Please ", "call "] })
        yield* Effect.addFinalizer(() => Effect.sync(() => peer.stop()))
        const far = `[fleet.experts.far]\nkind = "remote"\nurl = "${peer.url}"\nmodel = "m"\nstandby = "a"\n`
        const toml = `${far}[fleet.experts.a]\nkind = "local"\nmodel = "x"\n`
        const fleet = yield* openFleet(toml, { locals: [localOf("a")] })
        const { text: said, report } = yield* ask(fleet, "far", { isStream: true })
        expect(said).toStartWith("Please call ")
        expect(said.length).toBeGreaterThan("Please call ".length)
        expect(report.attempts.map(({ outcome }) => outcome)).toEqual(["cut-stream", "answered"])
      }),
    live,
  )
})
