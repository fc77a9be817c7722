import { itEffect } from "@consilium/testing/effect"
import { describe, expect } from "bun:test"
import { Clock, Effect } from "effect"
import { requestOf } from "../../test/requestOf.ts"
import { whileTimePasses } from "../../test/whileTimePasses.ts"
import type { FleetExpert } from "../FleetExpert.ts"
import { runAttempt } from "./runAttempt.ts"

/** Fails an attempt that may be silent for 100 ms; returns how, and after how long. */
const failureOf = (answer: FleetExpert["answer"]) =>
  Effect.gen(function* () {
    const expert: FleetExpert = { continues: false, backend: () => "test", answer }
    const { kind, message } = yield* whileTimePasses(
      Effect.flip(runAttempt(expert, { ...requestOf("q"), prefix: "" }, 100, () => {})),
    )
    return { kind, message, ms: yield* Clock.currentTimeMillis }
  })

describe("runAttempt", () => {
  itEffect("who sets to work and says nothing is given up in its time", () =>
    Effect.gen(function* () {
      const { kind, ms } = yield* failureOf((_request, _say, begin) => Effect.andThen(Effect.sync(begin), Effect.never))
      expect([kind, ms]).toEqual(["timeout", 100])
    }),
  )

  itEffect("who waits for its memory is given up too, which is no silence of its own", () =>
    Effect.gen(function* () {
      const { kind, message, ms } = yield* failureOf(() => Effect.never)
      expect([kind, message, ms]).toEqual(["unavailable", "its memory was not free within 100 ms", 100])
    }),
  )

  itEffect("silence counts from when it sets to work", () =>
    Effect.gen(function* () {
      const { kind, ms } = yield* failureOf((_request, _say, begin) =>
        Effect.sleep(80).pipe(Effect.andThen(Effect.sync(begin)), Effect.andThen(Effect.never)),
      )
      expect([kind, ms]).toEqual(["timeout", 180])
    }),
  )
})
