import { setTimeout as sleep } from "node:timers/promises"
import type { StreamTiming } from "./streamChat.ts"
import type { TracedRequest } from "./TracedRequest.ts"

/** What became of a request. */
export type Outcome =
  | { readonly kind: "answered"; readonly lateMs: number; readonly timing: StreamTiming }
  | { readonly kind: "failed"; readonly cause: Error }
  /** The time was over before its answer was. */
  | { readonly kind: "unfinished" }

export interface Replay {
  /** One for each request, in order. */
  readonly outcomes: readonly Outcome[]
  /** From the first arrival to the last answer. */
  readonly elapsedMs: number
}

export interface ReplayOptions {
  /** Everything ends after this, answered or not. */
  readonly maxMs: number
  readonly signal: AbortSignal
  readonly onDone: (numDone: number) => void
}

/**
 * Sends requests when they are due, whatever became of those before: load does not wait for a slow server.
 *
 * What a request is sent late by counts as its own waiting, so that a busy client does not flatter the server.
 *
 * @throws the signal's reason when it is aborted
 */
export async function replayTrace(
  requests: readonly TracedRequest[],
  send: (request: TracedRequest, index: number, signal: AbortSignal) => Promise<StreamTiming>,
  { maxMs, signal, onDone }: ReplayOptions,
): Promise<Replay> {
  const end = AbortSignal.any([signal, AbortSignal.timeout(maxMs)])
  const started = performance.now()
  let numDone = 0
  const outcomes = await Promise.all(
    requests.map(async (request, index): Promise<Outcome> => {
      try {
        await sleep(request.arrivalMs, undefined, { signal: end })
        const lateMs = performance.now() - started - request.arrivalMs
        return { kind: "answered", lateMs, timing: await send(request, index, end) }
      } catch (error) {
        return end.aborted ? { kind: "unfinished" } : { kind: "failed", cause: error as Error }
      } finally {
        onDone(++numDone)
      }
    }),
  )
  signal.throwIfAborted()
  return { outcomes, elapsedMs: performance.now() - started }
}
