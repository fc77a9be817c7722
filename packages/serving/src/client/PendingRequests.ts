import { Cause, Queue } from "effect"
import type { EngineEvent, Generate } from "../protocol.ts"
import type { GenerateEvent } from "./EngineApi.ts"
import { EngineError } from "./EngineError.ts"

type EventQueue = Queue.Queue<GenerateEvent, EngineError | Cause.Done>

interface Pending {
  readonly request: Omit<Generate, "type" | "resumeFrom">
  /** What it has been told so far: an engine that takes over goes on from here. */
  readonly generated: number[]
  readonly queue: EventQueue
}

/** The requests in flight, kept by the HTTP process: what survives the death of an engine. */
export interface PendingRequests {
  readonly size: number
  add(request: Pending["request"], queue: EventQueue): void
  /** Returns whether it was still in flight. */
  remove(requestId: string): boolean
  /** Passes an engine's event on to whoever asked; returns whether a token arrived. */
  accept(event: EngineEvent): boolean
  /** The messages that make a new engine go on with all of them. */
  resumed(): Generate[]
  /** Ends all of them with an error. */
  failAll(error: EngineError): void
}

export function createPendingRequests(): PendingRequests {
  const all = new Map<string, Pending>()

  const end = (requestId: string, error?: EngineError): void => {
    const pending = all.get(requestId)
    if (pending === undefined) return
    all.delete(requestId)
    if (error === undefined) Queue.endUnsafe(pending.queue)
    else Queue.failCauseUnsafe(pending.queue, Cause.fail(error))
  }

  return {
    get size() {
      return all.size
    },
    add: (request, queue) => void all.set(request.requestId, { request, generated: [], queue }),
    remove: (requestId) => all.delete(requestId),
    accept(event) {
      if (event.type === "failed") end(event.requestId, new EngineError({ code: event.code, message: event.message }))
      if (event.type !== "tokens" && event.type !== "done") return false
      const pending = all.get(event.requestId)
      // Tokens of a request that was cancelled a moment ago.
      if (pending === undefined) return false
      if (event.type === "tokens") for (const { id } of event.tokens) pending.generated.push(id)
      Queue.offerUnsafe(pending.queue, event)
      if (event.type === "done") end(event.requestId)
      return true
    },
    resumed: () =>
      [...all.values()].map(({ request, generated }) => ({
        ...request,
        type: "generate",
        ids: [...request.ids, ...generated],
        resumeFrom: generated.length,
      })),
    failAll(error) {
      for (const requestId of all.keys()) end(requestId, error)
    },
  }
}
