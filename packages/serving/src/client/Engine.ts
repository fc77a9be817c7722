import { Context, Deferred, Effect, Fiber, Layer } from "effect"
import type { EngineStart } from "../engine/EngineStart.ts"
import type { EngineEvent, EngineStatus } from "../protocol.ts"
import type { EngineApi, EngineState } from "./EngineApi.ts"
import { EngineError } from "./EngineError.ts"
import { createPendingRequests } from "./PendingRequests.ts"
import { type EngineProcess, spawnEngine } from "./spawnEngine.ts"

export interface EngineOptions {
  readonly start: EngineStart
  /** Most requests in flight: those that run and those that wait. */
  readonly maxQueue: number
  /** Told of each change of state, for logs and progress bars. */
  readonly onState?: (state: EngineState) => void
  /** The module that the process runs; the engine's own unless a test says otherwise. */
  readonly main?: string
}

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

const makeEngine = Effect.fnUntraced(function* ({ start, maxQueue, onState, main }: EngineOptions) {
  const pending = createPendingRequests((requestId) => engine?.send({ type: "cancel", requestId }))
  const ready = yield* Deferred.make<EngineStatus, EngineError>()
  let state: EngineState = { phase: "loading", step: "starting", done: 0, total: 1 }
  let status: EngineStatus | undefined
  let engine: EngineProcess | undefined
  let fatal: string | undefined
  const deaths: number[] = []

  const setState = (next: EngineState): void => {
    state = next
    onState?.(next)
  }

  const onEvents = (events: readonly EngineEvent[]): void => {
    for (const event of events) {
      // A token is progress: whatever killed earlier engines, this one works.
      if (pending.accept(event)) deaths.length = 0
      else if (event.type === "loading" && state.phase === "loading") setState({ ...event, phase: "loading" })
      else if (event.type === "fatal") fatal = event.message
      else if (event.type === "status") status = event.status
      else if (event.type === "ready") {
        // Told of those in flight first: from the moment it is ready, new ones tell it themselves.
        status = event.status
        for (const request of pending.resumed()) engine?.send(request)
        if (state.phase === "draining") engine?.send({ type: "drain" })
        else setState({ phase: "ready", status: event.status })
        Deferred.doneUnsafe(ready, Effect.succeed(event.status))
      }
    }
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
      engine = yield* spawnEngine(start, onEvents, main)
      return yield* engine.ended
    }),
  )

  const supervise = Effect.gen(function* () {
    for (;;) {
      const how = yield* runOnce
      engine = undefined
      if (state.phase === "draining") {
        return pending.failAll(
          new EngineError({ code: "draining", message: `the engine ended while it drained: ${how}` }),
        )
      }
      if (fatal !== undefined) return giveUp(fatal)
      const now = Date.now()
      while (deaths.length > 0 && now - deaths[0]! >= CRASH_WINDOW_MS) deaths.shift()
      deaths.push(now)
      if (deaths.length >= MAX_DEATHS)
        return giveUp(`the engine died ${deaths.length} times without a token in between, last by ${how}`)
      setState({ phase: "restarting", numRestarts: deaths.length })
    }
  })
  const supervisor = yield* Effect.forkScoped(supervise)

  const generate: EngineApi["generate"] = (request, onEvent) =>
    Effect.callback((resume) => {
      const refusal = refuse(state, pending.size >= maxQueue)
      if (refusal !== undefined) return resume(Effect.fail(refusal))
      pending.add(request, { onEvent, onEnd: resume })
      // While it restarts there is no engine to tell: it is told of everything when it is ready.
      if (state.phase === "ready") engine?.send({ ...request, type: "generate", resumeFrom: 0 })
      return Effect.sync(() => {
        if (pending.remove(request.requestId)) engine?.send({ type: "cancel", requestId: request.requestId })
      })
    })

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
    ready: Deferred.await(ready),
    generate,
    drain: Effect.gen(function* () {
      if (state.phase === "failed") return
      setState({ phase: "draining" })
      engine?.send({ type: "drain" })
      yield* Fiber.await(supervisor)
    }),
  }
  return api
})

function refuse(state: EngineState, isFull: boolean): EngineError | undefined {
  switch (state.phase) {
    case "loading":
      return new EngineError({ code: "not-ready", message: `the model is loading (${state.step})` })
    case "draining":
      return new EngineError({ code: "draining", message: "the service is stopping" })
    case "failed":
      return new EngineError({ code: "engine-failed", message: state.message })
    default:
      return isFull ? new EngineError({ code: "queue-full", message: "too many requests are waiting" }) : undefined
  }
}
