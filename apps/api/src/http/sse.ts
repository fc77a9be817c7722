import { Cause, Effect, Exit, Stream } from "effect"
import { asApiError, errorBody } from "./ApiError.ts"

/** Silence after which a comment keeps proxies and clients from giving up. */
const PING_MS = 10_000

const event = (data: unknown): string => `data: ${JSON.stringify(data)}\n\n`

export interface SseOptions {
  readonly signal: AbortSignal
  readonly headers: Readonly<Record<string, string>>
}

/**
 * Answers with a stream of chunks as server-sent events, ended by `[DONE]`.
 *
 * A failure before the first chunk is thrown, so that it gets its status; a later one becomes an error chunk. A client that leaves interrupts
 * the stream.
 */
export async function sseResponse<E>(
  chunks: Stream.Stream<unknown, E>,
  { signal, headers }: SseOptions,
): Promise<Response> {
  const leaving = new AbortController()
  const isGone = AbortSignal.any([signal, leaving.signal])
  const untilGone = Effect.callback<void>((resume) => {
    if (isGone.aborted) return resume(Effect.void)
    const onAbort = (): void => resume(Effect.void)
    isGone.addEventListener("abort", onAbort, { once: true })
    return Effect.sync(() => isGone.removeEventListener("abort", onAbort))
  })
  const iterator = Stream.toAsyncIterable(Stream.interruptWhen(chunks, untilGone))[Symbol.asyncIterator]()
  const first = await iterator.next()

  let next: Promise<IteratorResult<unknown>> = Promise.resolve(first)
  const encoder = new TextEncoder()
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const say = (text: string): void => controller.enqueue(encoder.encode(text))
      try {
        const result = await orPing(next)
        if (result === "ping") return say(": ping\n\n")
        if (result.done === true) {
          say("data: [DONE]\n\n")
          return controller.close()
        }
        say(event(result.value))
        next = iterator.next()
        // Nobody may be waiting yet when it fails; `pull` will be.
        next.catch(() => {})
      } catch (error) {
        say(event(errorBody(asApiError(error))))
        controller.close()
      }
    },
    cancel() {
      leaving.abort()
    },
  })
  return new Response(body, {
    headers: {
      ...headers,
      "content-type": "text/event-stream; charset=utf-8",
      "cache-control": "no-cache",
      "x-accel-buffering": "no",
    },
  })
}

async function orPing<T>(next: Promise<T>): Promise<T | "ping"> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const ping = new Promise<"ping">((resolve) => {
    timer = setTimeout(() => resolve("ping"), PING_MS)
  })
  try {
    return await Promise.race([next, ping])
  } finally {
    clearTimeout(timer)
  }
}

/** Runs an effect for a request; a client that leaves interrupts it. @throws its error */
export async function runForRequest<A, E>(effect: Effect.Effect<A, E>, signal: AbortSignal): Promise<A> {
  const exit = await Effect.runPromiseExit(effect, { signal })
  if (Exit.isSuccess(exit)) return exit.value
  throw Cause.squash(exit.cause)
}
