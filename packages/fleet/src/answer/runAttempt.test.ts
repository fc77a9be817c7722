import type { EngineUse } from "@consilium/serving"
import { itEffect } from "@consilium/testing/effect"
import { describe, expect } from "bun:test"
import { Clock, Effect } from "effect"
import { requestOf } from "../../test/requestOf.ts"
import { whileTimePasses } from "../../test/whileTimePasses.ts"
import type { FleetExpert } from "../FleetExpert.ts"
import { runAttempt } from "./runAttempt.ts"

/** Fails an attempt that may be silent for 100 ms; returns how, after how long, and what it had used by then. */
const failureOf = (answer: FleetExpert["answer"]) =>
  Effect.gen(function* () {
    const expert: FleetExpert = { continues: false, backend: () => "test", answer }
    const uses: EngineUse[] = []
    const request = { ...requestOf("q"), prefix: "" }
    const note = (use: EngineUse): void => void uses.push(use)
    const { kind, message } = yield* whileTimePasses(Effect.flip(runAttempt(expert, request, 100, () => {}, note)))
    return { kind, message, ms: yield* Clock.currentTimeMillis, uses }
  })

describe("runAttempt", () => {
  itEffect("who sets to work and says nothing is given up in its time", () =>
    Effect.gen(function* () {
      const { kind, ms } = yield* failureOf((_request, _say, { begin }) =>
        Effect.andThen(Effect.sync(begin), Effect.never),
      )
      expect([kind, ms]).toEqual(["timeout", 100])
    }),
  )

  itEffect("who waits for its memory is given up too, which is no silence of its own", () =>
    Effect.gen(function* () {
      const { kind, message, ms } = yield* failureOf(() => Effect.never)
      expect([kind, message, ms]).toEqual(["unavailable", "its memory was not free within 100 ms", 100])
    }),
  )

  itEffect("what it used is known when it is given up", () =>
    Effect.gen(function* () {
      const used = { numTogether: 1, expertBytes: 7, cpuMs: 100 }
      const { uses } = yield* failureOf((_request, _say, { begin, use }) =>
        Effect.ensuring(
          Effect.andThen(Effect.sync(begin), Effect.never),
          Effect.sync(() => use(used)),
        ),
      )
      expect(uses).toEqual([used])
    }),
  )

  itEffect("silence counts from when it sets to work", () =>
    Effect.gen(function* () {
      const { kind, ms } = yield* failureOf((_request, _say, { begin }) =>
        Effect.sleep(80).pipe(Effect.andThen(Effect.sync(begin)), Effect.andThen(Effect.never)),
      )
      expect([kind, ms]).toEqual(["timeout", 180])
    }),
  )
})
