/** The engine as a process, with the embedded model. */
import { afterAll, beforeAll, describe, expect } from "bun:test"
import { itEffect } from "@consilium/testing/effect"
import { Effect, Exit, Fiber } from "effect"
import type { EngineError } from "../src/index.ts"
import {
  answerOf,
  conversation,
  conversations,
  engineWith,
  idsOf,
  pidOf,
  prepareEngine,
  removeEngine,
  requestOf,
} from "./miniEngine.ts"

beforeAll(prepareEngine)
afterAll(removeEngine)

describe("Engine", () => {
  itEffect(
    "serves more requests than it has slots, each with the reference's text",
    () =>
      Effect.gen(function* () {
        const engine = yield* engineWith()
        yield* engine.ready
        const short = conversations.filter(({ prompt_ids }) => prompt_ids.length < 80)
        const answers = yield* Effect.forEach(short, (item) => idsOf(engine, requestOf(item.name, item.prompt_ids)), {
          concurrency: "unbounded",
        })
        expect(answers).toEqual(short.map(answerOf))
      }),
    { live: true, timeoutMs: 60_000 },
  )

  itEffect(
    "spreads experts over as many memory domains as it is told, and gives the same text",
    () =>
      Effect.gen(function* () {
        const engine = yield* engineWith({ backend: "reference", memoryDomains: 2 })
        yield* engine.ready
        const [item] = conversations.toSorted((a, b) => a.prompt_ids.length - b.prompt_ids.length)
        expect(yield* idsOf(engine, requestOf("a", item!.prompt_ids))).toEqual(answerOf(item!))
        const report = yield* engine.control({ kind: "experts" })
        if (report.kind !== "experts") throw new Error(`expected experts, found ${report.kind}`)
        expect(report.residency.numDomains).toBe(2)
        expect(new Set(report.experts.flatMap(({ domains }) => domains))).toEqual(new Set([0, 1]))
      }),
    { live: true, timeoutMs: 60_000 },
  )

  itEffect(
    "a request that follows another of its conversation computes only what is new",
    () =>
      Effect.gen(function* () {
        const engine = yield* engineWith()
        yield* engine.ready
        const { prompt_ids } = conversation("tool_weather")
        const cachedOf = (requestId: string) =>
          engine
            .generate(requestOf(requestId, prompt_ids, 4), () => {})
            .pipe(Effect.map(({ usage }) => usage.cachedTokens))
        expect(yield* cachedOf("first")).toBe(0)
        expect(yield* cachedOf("second")).toBe(prompt_ids.length - 1)
      }),
    { live: true, timeoutMs: 60_000 },
  )

  itEffect(
    "experts that fell asleep are awake when a plan that keeps them is answered, and answers stay",
    () =>
      Effect.gen(function* () {
        const engine = yield* engineWith({ expertIdleMs: 200 })
        yield* engine.ready
        const report = Effect.gen(function* () {
          const result = yield* engine.control({ kind: "experts" })
          return result.kind === "experts" ? result : yield* Effect.die("expected a report")
        })
        const areAsleep: Effect.Effect<void, EngineError> = Effect.flatMap(report, ({ residency }) =>
          residency.numAwake === 0 ? Effect.void : Effect.andThen(Effect.sleep(20), areAsleep),
        )
        yield* areAsleep
        const layers = [{ layer: 4, awake: [6, 1, 3], numNamed: 2, twice: [6] }]
        expect(yield* engine.control({ kind: "keep", layers })).toEqual({ kind: "kept", numAwake: 3, numKept: 3 })
        const { experts } = yield* report
        expect(experts.flatMap(({ layer, expert, state }) => (state === "awake" ? [[layer, expert]] : []))).toEqual([
          [4, 1],
          [4, 3],
          [4, 6],
        ])
        const item = conversation("greeting")
        expect(yield* idsOf(engine, requestOf("then", item.prompt_ids))).toEqual(answerOf(item))
        const unknown = engine.control({ kind: "keep", layers: [{ ...layers[0]!, awake: [99] }] })
        expect((yield* Effect.flip(unknown)).message).toBe("layer 4 expert 99: there is no such expert")
      }),
    { live: true, timeoutMs: 60_000 },
  )

  itEffect(
    "an interrupted stream gives its slot back, and the engine goes idle",
    () =>
      Effect.gen(function* () {
        const engine = yield* engineWith({ numSlots: 1 })
        yield* engine.ready
        const { prompt_ids } = conversation("finance")
        // Without a stop id it would go on for 900 tokens.
        const fiber = yield* Effect.forkChild(
          engine.generate({ ...requestOf("leaves", prompt_ids, 900), stopIds: [] }, () => {}),
        )
        yield* Effect.sleep("200 millis")
        yield* Fiber.interrupt(fiber)
        const item = conversation("greeting")
        const started = performance.now()
        expect(yield* idsOf(engine, requestOf("next", item.prompt_ids))).toEqual(answerOf(item))
        expect(performance.now() - started).toBeLessThan(3000)
      }),
    { live: true, timeoutMs: 60_000 },
  )

  itEffect(
    "an asker that throws ends its own request, as a defect, and nobody else's",
    () =>
      Effect.gen(function* () {
        const engine = yield* engineWith({ numSlots: 2 })
        yield* engine.ready
        const item = conversation("service")
        const other = yield* Effect.forkChild(idsOf(engine, requestOf("other", item.prompt_ids)))
        const exit = yield* Effect.exit(
          engine.generate({ ...requestOf("throws", item.prompt_ids, 900), stopIds: [] }, () => {
            throw new Error("a bug of the asker")
          }),
        )
        expect(Exit.isFailure(exit) && exit.cause.toString()).toContain("a bug of the asker")
        expect(yield* Fiber.join(other)).toEqual(answerOf(item))
        // It was cancelled: the engine goes idle.
        expect(yield* idsOf(engine, requestOf("next", item.prompt_ids))).toEqual(answerOf(item))
        yield* engine.drain
      }),
    { live: true, timeoutMs: 60_000 },
  )

  itEffect(
    "drain finishes what runs, refuses what comes, and ends the process",
    () =>
      Effect.gen(function* () {
        const engine = yield* engineWith()
        yield* engine.ready
        const item = conversation("service")
        const running = yield* Effect.forkChild(idsOf(engine, requestOf("running", item.prompt_ids)))
        yield* Effect.sleep("20 millis")
        const draining = yield* Effect.forkChild(engine.drain)
        yield* Effect.sleep("1 millis")
        const refused = yield* Effect.flip(idsOf(engine, requestOf("late", item.prompt_ids)))
        expect(refused.code).toBe("draining")
        expect(yield* Fiber.join(running)).toEqual(answerOf(item))
        yield* Fiber.join(draining)
        expect(pidOf(process.pid)).toEqual([])
      }),
    { live: true, timeoutMs: 60_000 },
  )

  itEffect(
    "a prompt beyond the context is refused with its numbers, a full queue at once",
    () =>
      Effect.gen(function* () {
        const engine = yield* engineWith({}, { maxQueue: 0 })
        yield* engine.ready
        expect((yield* Effect.flip(idsOf(engine, requestOf("full", [1, 2])))).code).toBe("queue-full")
        const other = yield* engineWith({ contextLength: 256 })
        yield* other.ready
        const error = yield* Effect.flip(idsOf(other, requestOf("long", Array(300).fill(5))))
        expect([error.code, error.message]).toEqual([
          "context-overflow",
          "the prompt has 300 tokens, the context holds 256 with the answer",
        ])
      }),
    { live: true, timeoutMs: 60_000 },
  )

  itEffect(
    "a model that does not fit its memory is one clear line, not a crash loop",
    () =>
      Effect.gen(function* () {
        const engine = yield* engineWith({ memoryBytes: 2 ** 20 })
        const error = yield* Effect.flip(engine.ready)
        expect(error.message).toMatch(/awake at least take \d+ MiB, the setting allows 1 MiB/)
      }),
    { live: true, timeoutMs: 60_000 },
  )

  itEffect(
    "a closed scope leaves no process behind",
    () =>
      Effect.gen(function* () {
        yield* Effect.scoped(Effect.flatMap(engineWith(), (engine) => engine.ready))
        expect(pidOf(process.pid)).toEqual([])
      }),
    { live: true, timeoutMs: 60_000 },
  )

  itEffect(
    "begins asleep where it should, wakes when it is told or asked, and sleeps when it is told and has nothing to do",
    () =>
      Effect.gen(function* () {
        const engine = yield* engineWith({}, { startsAsleep: true })
        expect((yield* engine.state).phase).toBe("asleep")
        expect(yield* engine.sleep).toBe(true)
        // Before its supervisor has had a turn.
        yield* engine.rouse
        yield* engine.ready
        expect((yield* engine.state).phase).toBe("ready")

        const request = requestOf("busy", conversation("tool_weather").prompt_ids)
        const answering = yield* Effect.forkChild(idsOf(engine, request))
        yield* Effect.yieldNow
        expect(yield* engine.sleep).toBe(false)
        expect(yield* Fiber.join(answering)).toEqual(answerOf(conversation("tool_weather")))

        expect(yield* engine.sleep).toBe(true)
        expect((yield* engine.state).phase).toBe("asleep")
        expect(yield* idsOf(engine, request)).toEqual(answerOf(conversation("tool_weather")))
      }),
    { live: true, timeoutMs: 60_000 },
  )
})
