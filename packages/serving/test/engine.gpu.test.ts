/** The engine on a GPU that is lost again and again. */
import { afterAll, beforeAll, describe, expect } from "bun:test"
import { createGpuBackend } from "@consilium/gpu"
import { createArena } from "@consilium/kernels"
import { itEffect } from "@consilium/testing/effect"
import { Effect, Fiber } from "effect"
import { answerOf, conversations, engineWith, idsOf, prepareEngine, removeEngine, requestOf } from "./miniEngine.ts"

/** How often the device is lost while the request runs: with every second token. */
const NUM_LOSSES = 3

function whyNoGpu(): string | undefined {
  const arena = createArena()
  try {
    createGpuBackend(arena).close()
    return undefined
  } catch (error) {
    console.log(`gpu: skipped, ${(error as Error).message}`)
    return (error as Error).message
  } finally {
    arena.close()
  }
}

beforeAll(prepareEngine)
afterAll(removeEngine)

describe.skipIf(whyNoGpu() !== undefined)("Engine on a GPU", () => {
  itEffect(
    "a device that is lost in mid-stream costs no request: its text is the reference's",
    () =>
      Effect.gen(function* () {
        const engine = yield* engineWith({ backend: "gpu" })
        expect((yield* engine.ready).backend).toBe("gpu")
        const [item] = conversations.toSorted((a, b) => a.prompt_ids.length - b.prompt_ids.length)
        const losses: Fiber.Fiber<unknown, unknown>[] = []
        const lose = (ids: readonly number[]): void => {
          if (ids.length % 2 === 0 || losses.length === NUM_LOSSES) return
          const loss = engine.control({ kind: "fault", layer: 0, expert: 0, fault: "kill-host", count: 1 })
          losses.push(Effect.runFork(loss))
        }
        const ids = yield* idsOf(engine, requestOf("a", item!.prompt_ids, 12), lose)
        yield* Effect.forEach(losses, Fiber.join)
        expect(losses.length).toBe(NUM_LOSSES)
        expect(ids).toEqual(answerOf(item!).slice(0, 12))
      }),
    { live: true, timeoutMs: 120_000 },
  )
})
