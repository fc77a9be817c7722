import { itEffect } from "@consilium/testing/effect"
import { describe, expect } from "bun:test"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import type { Embedder } from "../router/embed/Embedder.ts"
import { createRequestEmbedder } from "./createRequestEmbedder.ts"

/** An embedder that counts, and does as it is told. */
function embedderOf(embed: (text: string) => Promise<Float32Array>) {
  const asked: string[] = []
  const embedder: Embedder = {
    mark: { kind: "remote", model: "m", task: "", size: 2 },
    embed: (texts) => {
      asked.push(...texts)
      return Promise.all(texts.map(embed))
    },
    close: async () => {},
  }
  return { asked, requests: createRequestEmbedder(embedder, 100) }
}
const never = () => new Promise<never>(() => {})

describe("createRequestEmbedder", () => {
  itEffect("asks once for a text that comes again, also while it is under way", () =>
    Effect.gen(function* () {
      const { asked, requests } = embedderOf(async (text) => Float32Array.of(text.length, 1))
      const both = yield* Effect.all([requests.embed("abc"), requests.embed("abc")], { concurrency: 2 })
      expect(both.map(({ embedding }) => [...embedding])).toEqual([
        [3, 1],
        [3, 1],
      ])
      expect((yield* requests.embed("abc")).lacks).toBeUndefined()
      yield* requests.embed("other")
      expect(asked).toEqual(["abc", "other"])
      expect(requests.report()).toMatchObject({ numAsked: 4, numKnown: 2, numMissed: 0, latestProblem: undefined })
    }),
  )

  itEffect("remembers the latest 1024 texts, and of each as much as routers look at", () =>
    Effect.gen(function* () {
      const { asked, requests } = embedderOf(async () => Float32Array.of(1, 1))
      for (let i = 0; i < 1025; i++) yield* requests.embed(`text ${i}`)
      asked.length = 0
      yield* requests.embed("text 1024")
      expect(asked).toEqual([])
      yield* requests.embed("text 0")
      expect(asked).toEqual(["text 0"])
      yield* requests.embed("x".repeat(9000))
      expect(asked[1]).toHaveLength(8000)
    }),
  )

  itEffect("gives zeros and the reason where the embedder fails, and asks it again the next time", () =>
    Effect.gen(function* () {
      let isBroken = true
      const { asked, requests } = embedderOf(async () => {
        if (isBroken) throw new Error("its process ended")
        return Float32Array.of(1, 2)
      })
      const failed = yield* requests.embed("a")
      expect(failed).toEqual({ embedding: Float32Array.of(0, 0), lacks: "the embedder failed: its process ended" })
      isBroken = false
      expect((yield* requests.embed("a")).embedding).toEqual(Float32Array.of(1, 2))
      expect(asked).toEqual(["a", "a"])
      expect(requests.report()).toMatchObject({ numMissed: 1, latestProblem: failed.lacks })
    }),
  )

  itEffect("waits no longer than it may; what comes late is known to the next", () =>
    Effect.gen(function* () {
      const late = Promise.withResolvers<Float32Array>()
      const { requests } = embedderOf(() => late.promise)
      const waiting = yield* Effect.forkChild(requests.embed("a"))
      yield* TestClock.adjust("100 millis")
      expect((yield* Fiber.join(waiting)).lacks).toBe("the embedder took longer than 100 ms")
      late.resolve(Float32Array.of(3, 4))
      expect((yield* requests.embed("a")).embedding).toEqual(Float32Array.of(3, 4))
    }),
  )

  itEffect("asks no more of an embedder that hangs than 64 texts", () =>
    Effect.gen(function* () {
      const { asked, requests } = embedderOf(never)
      const all = Effect.forEach(
        Array.from({ length: 70 }, (_, i) => `text ${i}`),
        requests.embed,
        {
          concurrency: "unbounded",
        },
      )
      const waiting = yield* Effect.forkChild(all)
      yield* TestClock.adjust("100 millis")
      const embedded = yield* Fiber.join(waiting)
      expect(asked).toHaveLength(64)
      expect(embedded[69]!.lacks).toBe("the embedder failed: 64 texts wait for it")
    }),
  )
})
