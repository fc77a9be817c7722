/** The engine on a GPU that is lost again and again. */
import { afterAll, beforeAll, describe, expect } from "bun:test"
import { createGpuBackend } from "@consilium/gpu"
import { createArena } from "@consilium/kernels"
import { itEffect } from "@consilium/testing/effect"
import { Effect, Fiber } from "effect"
import type { EngineApi } from "../src/index.ts"
import { answerOf, conversations, engineWith, idsOf, prepareEngine, removeEngine, requestOf } from "./miniEngine.ts"

/** How often the device is lost, in as many answers. */
const NUM_LOSSES = 3
/** Room for what all tokens visit, and for some experts. */
const GPU_BYTES = 48 * 2 ** 20

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

const gpuOf = (engine: EngineApi) =>
  Effect.map(engine.control({ kind: "experts" }), (report) => {
    if (report.kind !== "experts" || report.residency.gpu === null) throw new Error("expected experts on a GPU")
    return { ...report.residency.gpu, experts: report.experts }
  })

describe.skipIf(whyNoGpu() !== undefined)("Engine on a GPU", () => {
  itEffect(
    "half of the experts lie there; a device that is lost in mid-stream costs no request, and comes back: the text is the reference's",
    () =>
      Effect.gen(function* () {
        const engine = yield* engineWith({ backend: "gpu", gpuMemoryBytes: GPU_BYTES, contextLength: 256 })
        expect((yield* engine.ready).backend).toBe("gpu")
        const { experts, numExperts, adapter } = yield* gpuOf(engine)
        expect(adapter).not.toBe("")
        expect(numExperts).toBeGreaterThan(0)
        expect(numExperts).toBeLessThan(experts.length)
        expect(experts.filter(({ domains }) => domains[0] === "gpu").length).toBe(numExperts)
        expect(experts.every(({ domains }) => domains.at(-1) === 0)).toBe(true)

        const [item] = conversations.toSorted((a, b) => a.prompt_ids.length - b.prompt_ids.length)
        const answer = (requestId: string, onIds?: () => void) =>
          Effect.map(idsOf(engine, requestOf(requestId, item!.prompt_ids, 6), onIds), (ids) =>
            expect(ids).toEqual(answerOf(item!).slice(0, 6)),
          )
        for (let n = 1; n <= NUM_LOSSES; n++) {
          let loss: Fiber.Fiber<unknown, unknown> | undefined
          yield* answer(`${n}`, () => {
            loss ??= Effect.runFork(
              engine.control({ kind: "fault", layer: 0, expert: 0, fault: "kill-host", count: 1 }),
            )
          })
          yield* Fiber.join(loss!)
          // Where it came after the last step, the next answer notices.
          yield* answer(`${n} again`)
          while ((yield* gpuOf(engine)).state !== "in-use") yield* Effect.sleep("50 millis")
          expect((yield* gpuOf(engine)).numLosses).toBe(n)
        }
      }),
    { live: true, timeoutMs: 300_000 },
  )
})
