import { Exit } from "effect"
import type { EngineEvent, Generate } from "../protocol.ts"
import type { GenerateEnd, GenerateEvent } from "./EngineApi.ts"
import { EngineError } from "./EngineError.ts"

/** Who asked: told of tokens as they come, and once of the end. */
interface Asker {
  readonly onEvent: (event: GenerateEvent) => void
  readonly onEnd: (exit: Exit.Exit<GenerateEnd, EngineError>) => void
}

interface Pending extends Asker {
  readonly request: Omit<Generate, "type" | "resumeFrom">
  /** What it has been told so far: an engine that takes over goes on from here. */
  readonly generated: number[]
}

/** The requests in flight, kept by the HTTP process: what survives the death of an engine. */
export interface PendingRequests {
  readonly size: number
  add(request: Pending["request"], asker: Asker): void
  /** Returns whether it was still in flight. */
  remove(requestId: string): boolean
  /** Passes an engine's event on to whoever asked; returns whether a request got further by it. */
  accept(event: EngineEvent): boolean
  /** The messages that make a new engine go on with all of them. */
  resumed(): Generate[]
  /** Ends all of them with an error. */
  failAll(error: EngineError): void
}

/** @param cancel tells the engine of a request whose asker failed */
export function createPendingRequests(cancel: (requestId: string) => void): PendingRequests {
  const all = new Map<string, Pending>()

  const end = (requestId: string, exit: Exit.Exit<GenerateEnd, EngineError>): void => {
    const pending = all.get(requestId)
    if (pending === undefined) return
    all.delete(requestId)
    pending.onEnd(exit)
  }

  /** Tells who asked. What goes wrong there ends that request alone. */
  const tell = (pending: Pending, event: GenerateEvent): void => {
    try {
      pending.onEvent(event)
    } catch (error) {
      end(event.requestId, Exit.die(error))
      cancel(event.requestId)
    }
  }

  return {
    get size() {
      return all.size
    },
    add: (request, asker) => void all.set(request.requestId, { ...asker, request, generated: [] }),
    remove: (requestId) => all.delete(requestId),
    accept(event) {
      switch (event.type) {
        case "started":
        case "tokens": {
          const pending = all.get(event.requestId)
          // Of a request that was cancelled a moment ago.
          if (pending === undefined) return false
          if (event.type === "tokens") for (const { id } of event.tokens) pending.generated.push(id)
          tell(pending, event)
          return true
        }
        case "done":
          end(event.requestId, Exit.succeed(event))
          return true
        case "failed":
          end(event.requestId, Exit.fail(new EngineError({ code: event.code, message: event.message })))
          return false
        default:
          return false
      }
    },
    resumed: () =>
      [...all.values()].map(({ request, generated }) => ({
        ...request,
        type: "generate",
        ids: [...request.ids, ...generated],
        resumeFrom: generated.length,
      })),
    failAll(error) {
      for (const requestId of all.keys()) end(requestId, Exit.fail(error))
    },
  }
}
