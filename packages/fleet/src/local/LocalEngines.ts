import { Engine, type EngineApi, type EngineOptions, type ModelText } from "@consilium/serving"
import { Clock, Context, Effect, Latch, Layer, type Scope, Semaphore } from "effect"
import { ExpertFailure } from "../ExpertFailure.ts"
import { type LocalMemory, planLocalMemory } from "./planLocalMemory.ts"

/** A local model, ready to be served: its weights are packed, its text side is loaded. */
export interface LocalModel {
  readonly name: string
  readonly options: Omit<EngineOptions, "startsAsleep" | "onState">
  readonly text: ModelText
  /** Of a token's experts in all layers. */
  readonly expertBytesPerToken: number
}

/** How a local model's memory stands now. */
export interface LocalReport {
  readonly memoryBytes: number
  readonly isAwake: boolean
}

/** The engines of a fleet's local models, an own process each, within one memory: the least recently used sleep. */
export interface LocalEngines {
  readonly engineOf: (name: string) => EngineApi
  readonly report: (name: string) => LocalReport
  /**
   * Runs `use` while the model is awake, which it is woken for; others may fall asleep for it, none that answers.
   *
   * Who comes first is served first: who waits for memory is not overtaken by requests to those that have it.
   */
  readonly withAwake: <A, E>(
    name: string,
    use: (engine: EngineApi) => Effect.Effect<A, E>,
  ) => Effect.Effect<A, E | ExpertFailure>
  /** Returns how many requests came since it was last asked. */
  readonly takeNumRequests: (name: string) => number
  /** Wakes a model that will be wanted, where nobody has to sleep for it; returns whether it is awake. */
  readonly wakeEarly: (name: string) => Effect.Effect<boolean>
  readonly drain: Effect.Effect<void>
}

interface Local extends LocalMemory {
  isAwake: boolean
  numAnswering: number
  usedMs: number
  numRequests: number
  readonly engine: EngineApi
}

/** Starts nothing yet: every model begins asleep. Closing the scope kills all engines. */
export const openLocalEngines = Effect.fnUntraced(function* (
  models: readonly LocalModel[],
  memoryBytes: number,
): Effect.fn.Return<LocalEngines, never, Scope.Scope> {
  const locals = new Map<string, Local>()
  /** Opened when somebody who was in the way may not be any more. */
  const changed = yield* Latch.make()
  for (const { name, options } of models) {
    // Models fall asleep by themselves too.
    const onState: EngineOptions["onState"] = ({ phase }) => {
      const local = locals.get(name)
      if (local !== undefined) local.isAwake = phase !== "asleep" && phase !== "failed"
      changed.openUnsafe()
    }
    const context = yield* Layer.build(Engine.layer({ ...options, startsAsleep: true, onState }))
    const engine = Context.get(context, Engine)
    locals.set(name, {
      name,
      bytes: options.start.memoryBytes,
      isAwake: false,
      numAnswering: 0,
      usedMs: 0,
      numRequests: 0,
      engine,
    })
  }
  const turn = yield* Semaphore.make(1)
  const all = [...locals.values()]

  const makeRoom = Effect.fnUntraced(function* (local: Local): Effect.fn.Return<void, ExpertFailure> {
    for (;;) {
      changed.closeUnsafe()
      const plan = planLocalMemory(all, local.name, memoryBytes)
      if (plan.kind === "too-large") return yield* tooLarge(local, memoryBytes)
      if (plan.kind === "room") {
        yield* Effect.forEach(plan.sleep, (name) => locals.get(name)!.engine.sleep, { concurrency: "unbounded" })
        // Whoever would not sleep got a request past us: it is counted as awake, and planned again.
        if (plan.sleep.every((name) => !locals.get(name)!.isAwake)) return
      }
      yield* changed.await
    }
  })

  /** Takes a place among those that are awake; from when `hear` is told on, it is held until `release`. */
  const acquire = (local: Local, hear: () => void): Effect.Effect<void, ExpertFailure> => {
    const take = Effect.suspend(() => {
      hear()
      local.isAwake = true
      local.numAnswering++
      return local.engine.rouse
    })
    return turn.withPermit(Effect.andThen(makeRoom(local), Effect.uninterruptible(take)))
  }
  const release = (local: Local) =>
    Effect.map(Clock.currentTimeMillis, (now) => {
      local.numAnswering--
      local.usedMs = now
      changed.openUnsafe()
    })

  return {
    engineOf: (name) => locals.get(name)!.engine,
    report: (name) => ({ memoryBytes: locals.get(name)!.bytes, isAwake: locals.get(name)!.isAwake }),
    withAwake: (name, use) => {
      const local = locals.get(name)!
      return Effect.suspend(() => {
        local.numRequests++
        let isHeld = false
        // Who waits may leave at any time, so that what it had got by then is what has to be given back.
        return acquire(local, () => (isHeld = true)).pipe(
          Effect.andThen(Effect.suspend(() => use(local.engine))),
          Effect.ensuring(Effect.suspend(() => (isHeld ? release(local) : Effect.void))),
        )
      })
    },
    takeNumRequests: (name) => {
      const local = locals.get(name)!
      const { numRequests } = local
      local.numRequests = 0
      return numRequests
    },
    wakeEarly: (name) => {
      const local = locals.get(name)!
      return turn.withPermit(
        Effect.gen(function* () {
          const plan = planLocalMemory(all, name, memoryBytes)
          if (plan.kind !== "room" || plan.sleep.length > 0) return false
          local.isAwake = true
          yield* local.engine.rouse
          return true
        }),
      )
    },
    drain: Effect.forEach(all, ({ engine }) => engine.drain, { concurrency: "unbounded", discard: true }),
  }
})

function tooLarge({ name, bytes }: Local, memoryBytes: number): ExpertFailure {
  const mib = (count: number): string => `${Math.ceil(count / 2 ** 20)} MiB`
  return new ExpertFailure({
    kind: "unavailable",
    message: `${name} wants ${mib(bytes)} of memory, all local experts together have ${mib(memoryBytes)}: raise --memory, or set its own`,
  })
}
