import { createRandom } from "@consilium/tensor"
import type { TracedRequest } from "./TracedRequest.ts"

/** Medians and spreads near those of the Azure chat trace: some requests are ten times the median. */
const CONTEXT = { median: 1000, sigma: 1.1 }
const GENERATED = { median: 110, sigma: 1 }
/** Requests come alone, or in bursts of about this many in a fraction of the usual time. */
const BURST = { probability: 0.08, meanLength: 6, factor: 0.05 }

/**
 * Returns a seeded trace of `numRequests` with bursts and long tails, about one request a second.
 *
 * Gaps are exponential, shorter inside bursts; token counts are log-normal.
 */
export function synthesizeTrace(numRequests: number, seed: number): readonly TracedRequest[] {
  const random = createRandom(seed)
  const uniform = (): number => 1 - random()
  const normal = (): number => Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * random())
  const tokens = ({ median, sigma }: { median: number; sigma: number }): number =>
    Math.max(1, Math.round(median * Math.exp(sigma * normal())))
  let arrivalMs = 0
  let leftInBurst = 0
  return Array.from({ length: numRequests }, (_, i) => {
    if (leftInBurst === 0 && random() < BURST.probability)
      leftInBurst = Math.ceil(-BURST.meanLength * Math.log(uniform()))
    const factor = leftInBurst > 0 ? BURST.factor : 1
    leftInBurst = Math.max(0, leftInBurst - 1)
    if (i > 0) arrivalMs += -1000 * factor * Math.log(uniform())
    return { arrivalMs, contextTokens: tokens(CONTEXT), generatedTokens: tokens(GENERATED) }
  })
}
