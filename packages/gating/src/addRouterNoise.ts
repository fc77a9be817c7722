/**
 * Adds normal noise to logits, in place, so that experts which are nearly as good take turns: noisy top-k without a trained scale.
 *
 * It changes which experts are chosen and their weights, and so the text: an option, off unless asked for. The same generator gives the same noise.
 *
 * @param logits `[T, E]`, or any part of it
 * @param sigma standard deviation, in logits
 * @param random uniform in [0, 1): `createRandom(seed)`
 * @see Shazeer et al., "Outrageously large neural networks", arXiv:1701.06538 §2.1
 */
export function addRouterNoise(logits: Float32Array, sigma: number, random: () => number): void {
  for (let i = 0; i < logits.length; i++) {
    const radius = Math.sqrt(-2 * Math.log(1 - random()))
    logits[i]! += sigma * radius * Math.cos(2 * Math.PI * random())
  }
}
