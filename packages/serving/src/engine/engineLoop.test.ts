import { StateLostError } from "@consilium/kernels"
import { GREEDY } from "@consilium/model"
import { itEffect } from "@consilium/testing/effect"
import { describe, expect } from "bun:test"
import { Effect, Fiber } from "effect"
import { answerTo, createFakeModel } from "../../test/createFakeModel.ts"
import type { EngineEvent, EngineStatus, Generate } from "../protocol.ts"
import { createEngineCore } from "./EngineCore.ts"
import { createEngineLoop } from "./engineLoop.ts"

const generate = (requestId: string, change: Partial<Generate> = {}): Generate => ({
  type: "generate",
  requestId,
  ids: [1, 2, 3],
  resumeFrom: 0,
  sampling: GREEDY,
  seed: 0,
  choice: 0,
  maxTokens: 6,
  stopIds: [],
  trace: false,
  ...change,
})

/** A loop over a fake model, with what it sent; `until` waits for an event. */
function createLoop(device?: { tend(): number }) {
  const model = createFakeModel()
  const core = createEngineCore({ model, maxWaiting: 10, nowMs: () => 0 })
  const sent: EngineEvent[] = []
  const waiting = new Set<() => void>()
  const send = (events: readonly EngineEvent[]): void => {
    sent.push(...events)
    for (const check of waiting) check()
  }
  const until = (isIt: (event: EngineEvent) => boolean): Effect.Effect<void> =>
    Effect.callback((resume) => {
      const check = (): void => {
        if (!sent.some(isIt)) return
        waiting.delete(check)
        resume(Effect.void)
      }
      waiting.add(check)
      check()
    })
  const loop = createEngineLoop({
    core,
    send,
    status: () => ({ steps: core.numSteps }) as EngineStatus,
    ...(device && { device }),
  })
  return { model, core, sent, until, loop }
}

const isEnd =
  (id: string) =>
  (event: EngineEvent): boolean =>
    (event.type === "done" || event.type === "failed") && event.requestId === id
const idsOf = (sent: readonly EngineEvent[], id: string): number[] =>
  sent.flatMap((event) => (event.type === "tokens" && event.requestId === id ? event.tokens.map((t) => t.id) : []))

describe("engineLoop", () => {
  itEffect("wakes for a message, sleeps when there is nothing to do, and takes no step then", () =>
    Effect.gen(function* () {
      const { loop, until, sent, core } = createLoop()
      const running = yield* Effect.forkChild(loop.run)
      for (const id of ["a", "b"]) {
        yield* Effect.yieldNow
        loop.handle(generate(id))
        yield* until(isEnd(id))
        expect(idsOf(sent, id)).toEqual(answerTo([1, 2, 3], 6))
      }
      const { numSteps } = core
      loop.handle({ type: "status" })
      expect(sent.at(-1)).toEqual({ type: "status", status: { steps: numSteps } as EngineStatus })
      yield* Fiber.interrupt(running)
    }),
  )

  itEffect("runs a step that failed once again; one that fails twice ends its requests, and nobody else's", () =>
    Effect.gen(function* () {
      const { loop, until, sent, model } = createLoop()
      const running = yield* Effect.forkChild(loop.run)
      model.failNext(1)
      loop.handle(generate("once"))
      yield* until(isEnd("once"))
      expect(idsOf(sent, "once")).toEqual(answerTo([1, 2, 3], 6))

      model.failNext(2)
      loop.handle(generate("twice"))
      yield* until(isEnd("twice"))
      expect(sent.at(-1)).toEqual({
        type: "failed",
        requestId: "twice",
        code: "internal",
        message: "a step failed twice: a kernel failed",
      })
      loop.handle(generate("after"))
      yield* until(isEnd("after"))
      expect(idsOf(sent, "after")).toEqual(answerTo([1, 2, 3], 6))
      yield* Fiber.interrupt(running)
    }),
  )

  itEffect("keys and values that are lost are computed anew, as often as they are lost: no request fails", () =>
    Effect.gen(function* () {
      const { loop, until, sent, model } = createLoop()
      const running = yield* Effect.forkChild(loop.run)
      loop.handle(generate("long", { maxTokens: 40 }))
      yield* until((event) => event.type === "tokens")
      const rowsBefore = model.numRows
      model.failNext(3, new StateLostError("the device is gone"))
      yield* until(isEnd("long"))
      expect(idsOf(sent, "long")).toEqual(answerTo([1, 2, 3], 40))
      // Prompt and answer so far, once more.
      expect(model.numRows - rowsBefore).toBeGreaterThan(40)

      model.failNext(1000, new StateLostError("the device is gone"))
      loop.handle(generate("hopeless"))
      yield* until(isEnd("hopeless"))
      expect(sent.at(-1)).toMatchObject({ type: "failed", message: "a step failed twice: the device is gone" })
      yield* Fiber.interrupt(running)
    }),
  )

  itEffect("a prompt whose beginning cannot be copied is a fault of its own", () =>
    Effect.gen(function* () {
      const { loop, until, sent, model } = createLoop()
      const running = yield* Effect.forkChild(loop.run)
      const ids = Array.from({ length: 64 }, (_, i) => i)
      loop.handle(generate("first", { ids }))
      yield* until(isEnd("first"))
      model.failCopies(1, new StateLostError("the device is gone"))
      for (const id of ["a", "b"]) loop.handle(generate(id, { ids }))
      for (const id of ["a", "b"]) {
        yield* until(isEnd(id))
        expect(idsOf(sent, id)).toEqual(answerTo(ids, 6))
      }
      expect(model.numFailedCopies).toBe(1)
      yield* Fiber.interrupt(running)
    }),
  )

  itEffect(
    "a device is tended between steps, and at rest as long as it has something to do",
    () =>
      Effect.gen(function* () {
        const rests = [0, 0, Number.POSITIVE_INFINITY]
        let numTended = 0
        const { loop, until } = createLoop({ tend: () => rests[numTended++] ?? Number.POSITIVE_INFINITY })
        const running = yield* Effect.forkChild(loop.run)
        loop.handle(generate("a"))
        yield* until(isEnd("a"))
        while (numTended < rests.length) yield* Effect.sleep("20 millis")
        yield* Effect.sleep("400 millis")
        expect(numTended).toBe(rests.length)
        yield* Fiber.interrupt(running)
      }),
    { live: true, timeoutMs: 10_000 },
  )

  itEffect("a cancel takes effect within one step", () =>
    Effect.gen(function* () {
      const { loop, until, sent, core } = createLoop()
      const running = yield* Effect.forkChild(loop.run)
      loop.handle(generate("long", { maxTokens: 400 }))
      yield* until((event) => event.type === "tokens")
      const { numSteps } = core
      loop.handle({ type: "cancel", requestId: "long" })
      loop.handle({ type: "drain" })
      yield* Fiber.join(running)
      expect(core.numSteps).toBe(numSteps)
      expect(idsOf(sent, "long").length).toBeLessThan(10)
    }),
  )

  itEffect("drained, it finishes what it has, refuses what comes, and ends", () =>
    Effect.gen(function* () {
      const { loop, sent } = createLoop()
      const running = yield* Effect.forkChild(loop.run)
      yield* Effect.yieldNow
      loop.handle(generate("running", { maxTokens: 40 }))
      loop.handle({ type: "drain" })
      loop.handle(generate("late"))
      expect(sent.at(-1)).toMatchObject({ type: "failed", requestId: "late", message: "the engine is draining" })
      yield* Fiber.join(running)
      expect(idsOf(sent, "running").length).toBe(40)
    }),
  )
})
