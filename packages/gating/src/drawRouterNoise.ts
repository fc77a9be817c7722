import { hash32 } from "@consilium/tensor"

/** The mean and the standard deviation of the sum of four bytes. */
const MEAN = 510
const DEVIATION = Math.sqrt((256 ** 2 - 1) / 3)

/**
 * Writes nearly normal noise for one token's logits, so that experts which are nearly as good take turns: noisy top-k without a trained scale.
 *
 * A pure function of seed and expert, exact in integers up to the last step: the sum of a hash's four bytes. It is given to `route` as `routerNoise` and
 * changes which experts are chosen, and so the text: an option, off unless asked for. Unlike the paper's it never weighs: that would cost and gain nothing.
 *
 * @param out `[T, E]`, of which `first .. first + numExperts` are written
 * @param sigma standard deviation, in logits
 * @see Shazeer et al., "Outrageously large neural networks", arXiv:1701.06538 §2.1
 */
export function drawRouterNoise(
  out: Float32Array,
  first: number,
  numExperts: number,
  sigma: number,
  seed: number,
): void {
  const factor = sigma / DEVIATION
  for (let e = 0; e < numExperts; e++) {
    const hash = hash32(seed + e)
    out[first + e] = ((hash & 255) + ((hash >>> 8) & 255) + ((hash >>> 16) & 255) + (hash >>> 24) - MEAN) * factor
  }
}
