import { it } from "bun:test"
import { Effect, type Scope } from "effect"
import { TestClock } from "effect/testing"

/**
 * A test whose body is an Effect, run in a scope of its own that is closed before the test ends.
 *
 * Time is `TestClock`'s unless `live` is set: nothing sleeps for real.
 */
export function itEffect<E>(
  name: string,
  body: () => Effect.Effect<void, E, Scope.Scope>,
  { live = false, timeoutMs = 5000 }: { live?: boolean; timeoutMs?: number } = {},
): void {
  it(
    name,
    async () => {
      const scoped = Effect.scoped(Effect.suspend(body))
      await Effect.runPromise(live ? scoped : scoped.pipe(Effect.provide(TestClock.layer())))
    },
    timeoutMs,
  )
}
