import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"

/** Runs an effect while its clock goes on by 10 ms whenever sockets have had their turn. */
export const whileTimePasses = <A, E>(effect: Effect.Effect<A, E>): Effect.Effect<A, E> =>
  Effect.gen(function* () {
    const running = yield* Effect.forkChild(effect)
    while (running.pollUnsafe() === undefined) {
      yield* Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 1)))
      yield* TestClock.adjust("10 millis")
    }
    return yield* Fiber.join(running)
  })
