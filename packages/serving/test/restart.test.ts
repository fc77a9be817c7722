/** Engines that die, hang or sleep, and those that come after them. */
import { afterAll, beforeAll, describe, expect } from "bun:test"
import { openPreparedModel } from "@consilium/model"
import { miniModelDir } from "@consilium/testing"
import { itEffect } from "@consilium/testing/effect"
import { Effect } from "effect"
import { closeSync, cpSync, openSync, writeSync } from "node:fs"
import { join } from "node:path"
import {
  answerOf,
  cacheDir,
  conversation,
  engineWith,
  idsOf,
  pidOf,
  preparedDir,
  prepareEngine,
  removeEngine,
  requestOf,
} from "./miniEngine.ts"
import { type Desired, NOTHING_DESIRED } from "../src/control.ts"

beforeAll(prepareEngine)
afterAll(removeEngine)

describe("Engine: the next one", () => {
  itEffect(
    "SIGKILL in mid-stream: the stream goes on with the same text",
    () =>
      Effect.gen(function* () {
        const states: string[] = []
        const engine = yield* engineWith({}, { onState: ({ phase }) => states.push(phase) })
        yield* engine.ready
        const item = conversation("finance")
        let killed = false
        const ids = yield* idsOf(engine, requestOf("killed", item.prompt_ids), ({ length }) => {
          if (length < 5 || killed) return
          killed = true
          for (const pid of pidOf(process.pid)) process.kill(pid, "SIGKILL")
        })
        expect(ids).toEqual(answerOf(item))
        expect(states).toContain("restarting")
      }),
    { live: true, timeoutMs: 60_000 },
  )

  itEffect(
    "SIGKILL in mid-stream under router noise: the stream goes on with the same text",
    () =>
      Effect.gen(function* () {
        const routing = { mode: "balanced", biasRate: 0, routerNoise: 4, capacityFactor: null } as const
        const engine = yield* engineWith({ routing, backend: "auto" })
        yield* engine.ready
        const { prompt_ids } = conversation("finance")
        const undisturbed = yield* idsOf(engine, requestOf("undisturbed", prompt_ids))
        let killed = false
        const ids = yield* idsOf(engine, requestOf("killed", prompt_ids), ({ length }) => {
          if (length < 5 || killed) return
          killed = true
          for (const pid of pidOf(process.pid)) process.kill(pid, "SIGKILL")
        })
        expect([killed, ids]).toEqual([true, undisturbed])
        expect(undisturbed).not.toEqual(answerOf(conversation("finance")))
      }),
    { live: true, timeoutMs: 60_000 },
  )

  itEffect(
    "an engine that hangs is started anew past the deadline, and the stream goes on with the same text",
    () =>
      Effect.gen(function* () {
        const states: string[] = []
        const engine = yield* engineWith({}, { onState: ({ phase }) => states.push(phase), stepDeadlineMs: 1500 })
        yield* engine.ready
        const item = conversation("finance")
        let hangs = false
        const ids = yield* idsOf(engine, requestOf("hangs", item.prompt_ids), ({ length }) => {
          if (length < 5 || hangs) return
          hangs = true
          for (const pid of pidOf(process.pid)) process.kill(pid, "SIGSTOP")
        })
        expect(ids).toEqual(answerOf(item))
        expect(states).toContain("restarting")
      }),
    { live: true, timeoutMs: 60_000 },
  )

  itEffect(
    "a model that nobody asks falls asleep, its process gone, and the next request wakes it",
    () =>
      Effect.gen(function* () {
        const states: string[] = []
        const engine = yield* engineWith({}, { onState: ({ phase }) => states.push(phase), modelIdleMs: 300 })
        yield* engine.ready
        const item = conversation("greeting")
        for (const requestId of ["first", "second"]) {
          states.length = 0
          expect(yield* idsOf(engine, requestOf(requestId, item.prompt_ids))).toEqual(answerOf(item))
          expect(states).not.toContain("asleep")
          yield* Effect.sleep("1500 millis")
          expect(states.at(-1)).toBe("asleep")
          expect(pidOf(process.pid)).toEqual([])
        }
      }),
    { live: true, timeoutMs: 60_000 },
  )

  itEffect(
    "a model that sleeps is woken before anybody asks, and counts from then on",
    () =>
      Effect.gen(function* () {
        const states: string[] = []
        const isIn = (phase: string): Effect.Effect<void> =>
          Effect.suspend(() => (states.at(-1) === phase ? Effect.void : Effect.andThen(Effect.sleep(5), isIn(phase))))
        const engine = yield* engineWith({}, { onState: ({ phase }) => states.push(phase), modelIdleMs: 300 })
        yield* engine.ready
        yield* isIn("asleep")
        yield* engine.rouse
        yield* isIn("ready")
        const item = conversation("greeting")
        expect(yield* idsOf(engine, requestOf("first", item.prompt_ids))).toEqual(answerOf(item))
        yield* isIn("asleep")
      }),
    { live: true, timeoutMs: 60_000 },
  )

  itEffect(
    "a model that took long to load has not idled meanwhile",
    () =>
      Effect.gen(function* () {
        const states: string[] = []
        const engine = yield* engineWith({}, { onState: ({ phase }) => states.push(phase), modelIdleMs: 150 })
        yield* engine.ready
        yield* Effect.sleep("30 millis")
        expect(states.at(-1)).toBe("ready")
      }),
    { live: true, timeoutMs: 60_000 },
  )

  itEffect(
    "what is desired may be more than an argument holds",
    () =>
      Effect.gen(function* () {
        const away = { layer: 99, expert: 0, version: "original", rung: "reroute", sinceMs: 1, numOpenings: 1 } as const
        const quarantined = Array.from({ length: 1000 }, () => ({ ...away, reason: "it failed ".repeat(10) }))
        const engine = yield* engineWith({}, { desired: { ...NOTHING_DESIRED, quarantined } })
        yield* engine.ready
        const item = conversation("greeting")
        expect(yield* idsOf(engine, requestOf("large", item.prompt_ids))).toEqual(answerOf(item))
      }),
    { live: true, timeoutMs: 60_000 },
  )

  itEffect(
    "a file that is damaged while the service runs stops no restart: its expert is gone round",
    () =>
      Effect.gen(function* () {
        const dir = join(cacheDir, "damaged")
        cpSync(preparedDir(), dir, { recursive: true })
        const engine = yield* engineWith({ preparedDir: dir })
        yield* engine.ready
        const prepared = openPreparedModel(dir, miniModelDir())
        const { offset, bytes } = prepared.layers[2]!.experts[5]!
        prepared.close()
        const handle = openSync(prepared.slabsPath, "r+")
        writeSync(handle, Uint8Array.of(1, 2, 3), 0, 3, offset + bytes - 3)
        closeSync(handle)
        yield* engine.kill
        const item = conversation("finance")
        const ids = yield* idsOf(engine, requestOf("damaged", item.prompt_ids))
        expect(ids.length).toBeGreaterThan(0)
      }),
    { live: true, timeoutMs: 60_000 },
  )

  itEffect(
    "an engine that keeps dying ends in an error instead of a fourth try",
    () =>
      Effect.gen(function* () {
        const main = join(cacheDir, "dies.ts")
        yield* Effect.promise(() => Bun.write(main, "process.exit(3)"))
        const states: string[] = []
        const engine = yield* engineWith({}, { main, onState: ({ phase }) => states.push(phase) })
        const error = yield* Effect.flip(engine.ready)
        expect(error.message).toContain("died 3 times")
        expect(error.message).toContain("exit code 3")
        expect(states).toEqual(["restarting", "restarting", "failed"])
        // Once more where somebody wants it, from the beginning.
        yield* engine.rouse
        expect((yield* Effect.flip(engine.ready)).message).toContain("died 3 times")
        expect(states.slice(3)).toEqual(["waking", "restarting", "restarting", "failed"])
      }),
    { live: true, timeoutMs: 60_000 },
  )

  itEffect(
    "who is quarantined when the engine is killed is so in the next one, and known to the service",
    () =>
      Effect.gen(function* () {
        const seen: string[] = []
        const kept: Desired[] = []
        const engine = yield* engineWith({}, { onDesired: (desired) => void kept.push(desired) })
        yield* engine.ready
        for (let expert = 0; expert < 8; expert++)
          yield* engine.control({ kind: "fault", fault: "throw", layer: 3, expert, count: 2 })
        let isKilled = false
        engine.onChanges((changes) => {
          for (const { change, detail } of changes) {
            seen.push(change === "engine" ? detail : change)
            if (change !== "quarantined" || isKilled) continue
            isKilled = true
            for (const pid of pidOf(process.pid)) process.kill(pid, "SIGKILL")
          }
        })
        const item = conversation("finance")
        expect(yield* idsOf(engine, requestOf("quarantined", item.prompt_ids))).toEqual(answerOf(item))
        expect(kept[0]!.quarantined).toMatchObject([{ layer: 3, rung: "backend", numOpenings: 1 }])
        expect(seen.slice(seen.indexOf("restarting") + 1)).toContain("quarantined")
      }),
    { live: true, timeoutMs: 60_000 },
  )
})
