import { Context, Deferred, Effect, Fiber, Layer } from "effect"
import {
  type ControlCommand,
  type ControlResult,
  type Desired,
  type ExpertChange,
  NOTHING_DESIRED,
} from "../control.ts"
import type { EngineStart } from "../engine/EngineStart.ts"
import type { EngineEvent, EngineStatus } from "../protocol.ts"
import { desiredAfter } from "./desiredAfter.ts"
import type { EngineApi, EngineState } from "./EngineApi.ts"
import { EngineError } from "./EngineError.ts"
import { createPendingControls } from "./PendingControls.ts"
import { createPendingRequests } from "./PendingRequests.ts"
import { refuse } from "./refuse.ts"
import { type EngineProcess, spawnEngine } from "./spawnEngine.ts"

export interface EngineOptions {
  readonly start: Omit<EngineStart, "desired" | "isTested" | "isRestart">
  /** Most requests in flight: those that run and those that wait. */
  readonly maxQueue: number
  /** Told of each change of state, for logs and progress bars. */
  readonly onState?: (state: EngineState) => void
  /** An engine that has work and says nothing for so long is killed and started anew; 60 s unless given. */
  readonly stepDeadlineMs?: number
  /** Without a request for so long the model falls asleep: its process ends. Never, unless given. */
  readonly modelIdleMs?: number
  /** It begins asleep: its first request, or `rouse`, starts its process. */
  readonly startsAsleep?: boolean
  /** What operators wanted before this service began. */
  readonly desired?: Desired
  /** Told when operators want something else: to keep it. */
  readonly onDesired?: (desired: Desired) => void
  /** The module that the process runs; the engine's own unless a test says otherwise. */
  readonly main?: string
}

const STEP_DEADLINE_MS = 60_000
/** A timer waits no longer. */
const MOST_TIMER_MS = 2 ** 31 - 1
/** Deaths within `CRASH_WINDOW_MS` that end in an error rather than another try. */
const MAX_DEATHS = 3
const CRASH_WINDOW_MS = 60_000

/**
 * The engine of one model: a child process, restarted when it dies, with the requests in flight carried over.
 *
 * The layer starts it and, when it is closed, kills it: nothing survives.
 */
export class Engine extends Context.Service<Engine, EngineApi>()("consilium/Engine") {
  static layer = (options: EngineOptions): Layer.Layer<Engine> => Layer.effect(Engine, makeEngine(options))
}

const makeEngine = Effect.fnUntraced(function* (options: EngineOptions) {
  const { start, maxQueue, onState, main, stepDeadlineMs = STEP_DEADLINE_MS, modelIdleMs, onDesired } = options
  const pending = createPendingRequests((requestId) => engine?.send({ type: "cancel", requestId }))
  const controls = createPendingControls()
  const listeners = new Set<(changes: readonly ExpertChange[]) => void>()
  let ready = Deferred.makeUnsafe<EngineStatus, EngineError>()
  let state: EngineState = options.startsAsleep
    ? { phase: "asleep", sinceMs: Date.now() }
    : { phase: "loading", step: "starting", done: 0, total: 1 }
  let status: EngineStatus | undefined
  let engine: EngineProcess | undefined
  let desired = options.desired ?? NOTHING_DESIRED
  let isTested = false
  let fatal: string | undefined
  /** When the engine was last heard, or had nothing to say; when somebody last asked. */
  let heardMs = 0
  let askedMs = performance.now()
  let wake: (() => void) | undefined
  /** Somebody wants it awake since before its process was gone. */
  let isWanted = false
  let timer: NodeJS.Timeout | undefined
  const deaths: number[] = []

  const setState = (next: EngineState): void => {
    const hasChanged = next.phase !== state.phase
    state = next
    if (hasChanged) {
      const change = { atMs: Date.now(), layer: 0, expert: 0, change: "engine", detail: next.phase } as const
      for (const listener of listeners) listener([change])
    }
    onState?.(next)
  }

  const setDesired = (next: Desired): void => {
    if (next === desired) return
    desired = next
    onDesired?.(next)
  }

  const onReady = (next: EngineStatus): void => {
    status = next
    isTested = !next.isSecondBest
    // Told of those in flight first: from the moment it is ready, new ones tell it themselves.
    for (const request of pending.resumed()) engine?.send(request)
    if (state.phase === "draining") engine?.send({ type: "drain" })
    else {
      setState({ phase: "ready", status: next })
      // It has not idled while it loaded.
      askedMs = performance.now()
      watchLater()
    }
    Deferred.doneUnsafe(ready, Effect.succeed(next))
  }

  const onEvents = (events: readonly EngineEvent[]): void => {
    heardMs = performance.now()
    for (const event of events) {
      // A token is progress: whatever killed earlier engines, this one works.
      if (pending.accept(event)) deaths.length = 0
      else if (controls.accept(event)) continue
      else if (event.type === "loading" && state.phase === "loading") setState({ ...event, phase: "loading" })
      else if (event.type === "fatal") fatal = event.message
      else if (event.type === "status") status = event.status
      else if (event.type === "changes") for (const listener of listeners) listener(event.changes)
      else if (event.type === "quarantine") setDesired({ ...desired, quarantined: event.quarantined })
      else if (event.type === "ready") onReady(event.status)
    }
    if (pending.size > 0) askedMs = heardMs
  }

  const giveUp = (message: string): void => {
    setState({ phase: "failed", message })
    const error = new EngineError({ code: "engine-failed", message })
    pending.failAll(error)
    Deferred.doneUnsafe(ready, Effect.fail(error))
  }

  /** One engine process from its start to its end; returns how it ended. */
  const runOnce = Effect.scoped(
    Effect.gen(function* () {
      engine = yield* spawnEngine({ ...start, desired, isTested, isRestart: status !== undefined }, onEvents, main)
      return yield* engine.ended
    }),
  ).pipe(
    // No process, or no memory for one.
    Effect.catchDefect((error) => Effect.succeed(`it could not be started (${(error as Error).message})`)),
  )

  /** Ends when somebody asks; at once where somebody has. */
  const untilAsked = Effect.callback<void>((resume) => {
    wake = () => {
      wake = undefined
      isWanted = false
      if (state.phase !== "waking") setState({ phase: "waking" })
      resume(Effect.void)
    }
    if (pending.size > 0 || isWanted) wake()
  })

  /** Gives up, until somebody wants it tried once more: `rouse` does, requests do not. */
  const untilRetried = (message: string): Effect.Effect<void> =>
    Effect.suspend(() => {
      giveUp(message)
      return untilAsked
    })

  const supervise = Effect.gen(function* () {
    if (state.phase === "asleep") yield* untilAsked
    for (;;) {
      const how = yield* runOnce
      engine = undefined
      controls.failAll(`the engine ended: ${how}`)
      if (state.phase === "draining") {
        return pending.failAll(
          new EngineError({
            code: "draining",
            message: `the engine ended while it drained: ${how}`,
          }),
        )
      }
      if (state.phase === "asleep") {
        yield* untilAsked
        continue
      }
      if (fatal !== undefined) {
        yield* untilRetried(fatal)
        continue
      }
      const now = Date.now()
      while (deaths.length > 0 && now - deaths[0]! >= CRASH_WINDOW_MS) deaths.shift()
      deaths.push(now)
      if (deaths.length >= MAX_DEATHS)
        yield* untilRetried(`the engine died ${deaths.length} times without a token in between, last by ${how}`)
      else setState({ phase: "restarting", numRestarts: deaths.length })
    }
  })
  const supervisor = yield* Effect.forkScoped(supervise)

  /** Sees to an engine that has said nothing for too long, or that nobody asks any more. */
  const watch = (): void => {
    // Whatever else becomes ready watches from then on.
    if (state.phase !== "ready") return
    const now = performance.now()
    if (pending.size > 0 && now - heardMs >= stepDeadlineMs)
      return engine?.kill(`no step ended within ${stepDeadlineMs} ms`)
    if (pending.size === 0 && modelIdleMs !== undefined && now - askedMs >= modelIdleMs) return fallAsleep()
    watchLater()
  }
  const fallAsleep = (): void => {
    setState({ phase: "asleep", sinceMs: Date.now() })
    engine?.kill("it fell asleep")
  }
  /** Sets the timer for when there may be something to see to: none where nothing is in flight, and the model never sleeps. */
  const watchLater = (): void => {
    clearTimeout(timer)
    const now = performance.now()
    const deadlineMs = pending.size > 0 ? heardMs + stepDeadlineMs : Number.POSITIVE_INFINITY
    const idleMs = (pending.size > 0 ? now : askedMs) + (modelIdleMs ?? Number.POSITIVE_INFINITY)
    const waitMs = Math.min(deadlineMs, idleMs) - now
    if (waitMs === Number.POSITIVE_INFINITY) return
    timer = setTimeout(watch, Math.min(Math.max(Math.ceil(waitMs), 0), MOST_TIMER_MS)).unref()
  }
  yield* Effect.addFinalizer(() => Effect.sync(() => clearTimeout(timer)))

  const generate: EngineApi["generate"] = (request, onEvent) =>
    Effect.callback((resume) => {
      const refusal = refuse(state, pending.size >= maxQueue)
      if (refusal !== undefined) return resume(Effect.fail(refusal))
      askedMs = performance.now()
      const isFirst = pending.size === 0
      if (isFirst) heardMs = askedMs
      pending.add(request, { onEvent, onEnd: resume })
      if (isFirst) watchLater()
      // While it restarts there is no engine to tell: it is told of everything when it is ready.
      if (state.phase === "ready") engine?.send({ ...request, type: "generate", resumeFrom: 0 })
      else wake?.()
      return Effect.sync(() => {
        if (pending.remove(request.requestId)) engine?.send({ type: "cancel", requestId: request.requestId })
      })
    })

  const control = (command: ControlCommand): Effect.Effect<ControlResult, EngineError> =>
    Effect.suspend(() => {
      if (state.phase !== "ready" || engine === undefined)
        return Effect.fail(new EngineError({ code: "not-ready", message: `the model is ${state.phase}` }))
      return controls.ask(command, engine.send)
    }).pipe(Effect.tap((result) => Effect.sync(() => setDesired(desiredAfter(desired, command, result)))))

  const api: EngineApi = {
    admission: Effect.suspend(() => {
      const refusal = refuse(state, pending.size >= maxQueue)
      return refusal === undefined ? Effect.void : Effect.fail(refusal)
    }),
    state: Effect.sync(() => {
      if (state.phase !== "ready" || status === undefined) return state
      // What is told now is the last answer; the next one will be newer.
      engine?.send({ type: "status" })
      return { phase: "ready", status }
    }),
    ready: Effect.suspend(() => Deferred.await(ready)),
    generate,
    control,
    onChanges(listener) {
      listeners.add(listener)
      return () => void listeners.delete(listener)
    },
    rouse: Effect.sync(() => {
      askedMs = performance.now()
      if (state.phase !== "asleep" && state.phase !== "failed") return
      if (state.phase === "failed") {
        fatal = undefined
        deaths.length = 0
        ready = Deferred.makeUnsafe()
        setState({ phase: "waking" })
      }
      if (wake === undefined) isWanted = true
      else wake()
    }),
    sleep: Effect.suspend(() => {
      if (state.phase === "ready" && pending.size === 0) fallAsleep()
      if (state.phase !== "asleep") return Effect.succeed(false)
      return engine === undefined ? Effect.succeed(true) : Effect.as(engine.ended, true)
    }),
    kill: Effect.suspend(() => {
      if (engine === undefined)
        return Effect.fail(new EngineError({ code: "not-ready", message: `the model is ${state.phase}` }))
      return Effect.sync(() => engine?.kill("it was killed, as asked"))
    }),
    drain: Effect.gen(function* () {
      if (state.phase === "failed") return
      const isAsleep = engine === undefined && wake !== undefined
      setState({ phase: "draining" })
      if (isAsleep) return
      engine?.send({ type: "drain" })
      yield* Fiber.await(supervisor)
    }),
  }
  return api
})
