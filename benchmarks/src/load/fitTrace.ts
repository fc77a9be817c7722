import type { TracedRequest } from "./TracedRequest.ts"

export interface LoadBounds {
  readonly numRequests: number
  /** Requests a second, on average. */
  readonly rate: number
  /** Most tokens of a request, context and answer together. */
  readonly maxTokens: number
}

/** A trace as it is sent. */
export interface FittedTrace {
  readonly requests: readonly TracedRequest[]
  /** What token counts were multiplied with. */
  readonly tokenScale: number
}

/** Scaled tokens of this share of requests fit; longer ones are cut. */
const FITTING_SHARE = 0.99

/**
 * Scales the beginning of a trace to a server: its time to a rate of arrivals, its token counts, all by one factor, to what a request may have.
 *
 * Bursts stay bursts and long requests long; what is still too long is cut, answer and context in proportion. Counts are never raised.
 */
export function fitTrace(trace: readonly TracedRequest[], { numRequests, rate, maxTokens }: LoadBounds): FittedTrace {
  const taken = trace.slice(0, numRequests)
  const sizes = taken.map(({ contextTokens, generatedTokens }) => contextTokens + generatedTokens).sort((a, b) => a - b)
  const long = sizes[Math.ceil(FITTING_SHARE * sizes.length) - 1]!
  const tokenScale = Math.min(1, maxTokens / long)
  const lastMs = taken.at(-1)!.arrivalMs
  const timeScale = lastMs === 0 ? 0 : (((taken.length - 1) / rate) * 1000) / lastMs
  const requests = taken.map(({ arrivalMs, contextTokens, generatedTokens }) => {
    const scale = Math.min(tokenScale, maxTokens / (contextTokens + generatedTokens))
    return {
      arrivalMs: arrivalMs * timeScale,
      contextTokens: Math.max(1, Math.floor(contextTokens * scale)),
      generatedTokens: Math.max(1, Math.floor(generatedTokens * scale)),
    }
  })
  return { requests, tokenScale }
}
