import { itEffect } from "@consilium/testing/effect"
import { describe, expect } from "bun:test"
import { Effect, Fiber, References } from "effect"
import { ENGINE_BYTES, localModelOf } from "../../test/localModelOf.ts"
import { openLocalEngines } from "./LocalEngines.ts"

/** Interrupted so soon after it began, wherever it yields. */
const MOST_OPS = 40
const MOST_TURNS = 6

describe("LocalEngines", () => {
  itEffect("whoever leaves while it takes its turn leaves the turn to the next", () =>
    Effect.gen(function* () {
      // Nothing is woken: there is too little memory for it.
      const engines = yield* openLocalEngines([localModelOf("a", "none")], ENGINE_BYTES / 2)
      const ask = Effect.result(engines.withAwake("a", () => Effect.void))
      for (let ops = 3; ops <= MOST_OPS; ops++)
        for (let turns = 0; turns <= MOST_TURNS; turns++) {
          const leaving = yield* Effect.forkChild(Effect.provideService(ask, References.MaxOpsBeforeYield, ops))
          for (let turn = 0; turn < turns; turn++) yield* Effect.yieldNow
          yield* Fiber.interrupt(leaving)
          const next = yield* Effect.forkChild(ask)
          for (let turn = 0; turn < MOST_TURNS; turn++) yield* Effect.yieldNow
          expect(next.pollUnsafe(), `left after ${turns} turns of ${ops} operations`).toBeDefined()
        }
    }),
  )
})
