import { Cause, Effect, Exit } from "effect"
import { asApiError, errorBody, publicError } from "./ApiError.ts"

/** Silence after which a comment keeps proxies and clients from giving up. */
const PING_MS = 10_000
const PING = ": ping\n\n"

/** Returns one server-sent event. */
export const sseEvent = (data: object): string => `data: ${JSON.stringify(data)}\n\n`

export interface SseOptions {
  readonly signal: AbortSignal
  /** Read when the answer begins. */
  readonly headers: () => Readonly<Record<string, string>>
}

/**
 * Answers with what `produce` writes, text that is ready for the wire, ended by `[DONE]`.
 *
 * A failure before the first text is thrown, so that it gets its status; a later one becomes an error event. A client that leaves interrupts
 * `produce`; for one that reads slowly text is kept until it reads on.
 */
export async function sseResponse<E>(
  produce: (write: (text: string) => void) => Effect.Effect<void, E>,
  { signal, headers }: SseOptions,
): Promise<Response> {
  const leaving = new AbortController()
  const sink = createSink(() => leaving.abort())
  const begun = Promise.withResolvers<void>()
  let hasBegun = false
  let isSilent = false
  const write = (text: string): void => {
    isSilent = false
    sink.write(text)
    if (hasBegun) return
    hasBegun = true
    begun.resolve()
  }
  const ping = setInterval(() => {
    if (isSilent) write(PING)
    isSilent = true
  }, PING_MS)

  const untilEnded = async (): Promise<void> => {
    const isGone = AbortSignal.any([signal, leaving.signal])
    const exit = await Effect.runPromiseExit(produce(write), { signal: isGone })
    clearInterval(ping)
    if (Exit.isSuccess(exit)) return sink.end("data: [DONE]\n\n")
    const error = errorOf(exit.cause)
    if (!hasBegun) throw error
    sink.end(sseEvent(errorBody(asApiError(error))))
  }
  await Promise.race([begun.promise, untilEnded()])
  return new Response(sink.stream, {
    headers: {
      ...headers(),
      "content-type": "text/event-stream; charset=utf-8",
      "cache-control": "no-cache",
      "x-accel-buffering": "no",
    },
  })
}

/** Makes a byte stream of texts: those of one message, and those that come while the reader is busy, leave in one piece. */
function createSink(onLeave: () => void) {
  const encoder = new TextEncoder()
  let controller: ReadableStreamDefaultController<Uint8Array>
  let pending = ""
  let isHungry = false
  let isScheduled = false
  let isOpen = true
  const flush = (): void => {
    isScheduled = false
    if (!isHungry || !isOpen || pending === "") return
    isHungry = false
    const bytes = encoder.encode(pending)
    pending = ""
    controller.enqueue(bytes)
  }
  const stream = new ReadableStream<Uint8Array>({
    start(opened) {
      controller = opened
    },
    pull() {
      isHungry = true
      flush()
    },
    cancel() {
      isOpen = false
      onLeave()
    },
  })
  return {
    stream,
    write(text: string): void {
      if (!isOpen) return
      pending += text
      if (isScheduled) return
      isScheduled = true
      queueMicrotask(flush)
    },
    end(text: string): void {
      if (!isOpen) return
      isOpen = false
      controller.enqueue(encoder.encode(pending + text))
      controller.close()
    },
  }
}

/** Runs an effect for a request; a client that leaves interrupts it. @throws its error */
export async function runForRequest<A, E>(effect: Effect.Effect<A, E>, signal: AbortSignal): Promise<A> {
  const exit = await Effect.runPromiseExit(effect, { signal })
  if (Exit.isSuccess(exit)) return exit.value
  throw errorOf(exit.cause)
}

/** Returns why an effect failed; what was interrupted was left by its client. */
function errorOf(cause: Cause.Cause<unknown>): unknown {
  return Cause.hasInterruptsOnly(cause) ? publicError("client-left", "The client left.") : Cause.squash(cause)
}
