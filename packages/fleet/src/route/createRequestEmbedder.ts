import { Effect } from "effect"
import type { Embedder, EmbedderMark } from "../router/embed/Embedder.ts"

/** A text's vector; all 0 where it has none now, and why. */
export interface EmbeddedText {
  readonly embedding: Float32Array
  readonly lacks?: string
}

/** An embedder as operators see it. */
export interface EmbedderReport extends EmbedderMark {
  /** Texts that came to be embedded. */
  readonly numAsked: number
  /** Of these, those that were remembered or under way. */
  readonly numKnown: number
  /** Of these, those without a vector in time. */
  readonly numMissed: number
  /** Why the latest of these has none. */
  readonly latestProblem: string | undefined
}

/** Embeds requests on their way to the router: it never fails, never takes longer than it may, and remembers what it was asked before. */
export interface RequestEmbedder {
  readonly mark: EmbedderMark
  embed(text: string): Effect.Effect<EmbeddedText>
  report(): EmbedderReport
}

/** Vectors that are remembered: of a size of 1024, 4 MiB. */
const MOST_KNOWN = 1024
/** Texts under way: with more, an embedder that hangs would gather all that come. */
const MOST_WAITING = 64
/** Routers look at no more of a text. */
const MOST_TEXT = 8000

/** @param timeoutMs how long a request waits at most */
export function createRequestEmbedder({ mark, embed }: Embedder, timeoutMs: number): RequestEmbedder {
  /** The least recently used first. */
  const known = new Map<string, Promise<Float32Array>>()
  const counts = { numAsked: 0, numKnown: 0, numMissed: 0 }
  let numWaiting = 0
  let latestProblem: string | undefined

  const begin = (key: string, text: string): Promise<Float32Array> => {
    if (numWaiting >= MOST_WAITING) return Promise.reject(new Error(`${MOST_WAITING} texts wait for it`))
    numWaiting++
    const vector = embed([text]).then(([first]) => first!)
    known.set(key, vector)
    if (known.size > MOST_KNOWN) known.delete(known.keys().next().value!)
    // Who waited may have left: what it came to is worth knowing, what failed is not.
    vector.catch(() => known.delete(key)).finally(() => numWaiting--)
    return vector
  }
  const vectorOf = (text: string): Promise<Float32Array> => {
    counts.numAsked++
    // The text itself may be long, and is not ours to keep.
    const key = new Bun.CryptoHasher("sha256").update(text).digest("base64")
    const found = known.get(key)
    if (found === undefined) return begin(key, text)
    counts.numKnown++
    known.delete(key)
    known.set(key, found)
    return found
  }
  const miss = (lacks: string): EmbeddedText => {
    counts.numMissed++
    latestProblem = lacks
    return { embedding: new Float32Array(mark.size), lacks }
  }

  return {
    mark,
    embed: (text) =>
      Effect.tryPromise({
        try: () => vectorOf(text.slice(0, MOST_TEXT)),
        catch: (error) => `the embedder failed: ${(error as Error).message}`,
      }).pipe(
        Effect.map((embedding): EmbeddedText => ({ embedding })),
        Effect.timeoutOrElse({
          duration: timeoutMs,
          orElse: () => Effect.fail(`the embedder took longer than ${timeoutMs} ms`),
        }),
        Effect.catch((lacks) => Effect.sync(() => miss(lacks))),
      ),
    report: () => ({ ...mark, ...counts, latestProblem }),
  }
}
