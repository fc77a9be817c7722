/**
 * Writes to `out [E]` which experts are available and awake, so that `route` goes round those that sleep instead of waiting for them.
 *
 * It changes the text, and is reported as degraded: an option, off unless asked for. Returns false, with `out` as `availability` is, where
 * fewer than `topK` would be left: then sleeping experts are woken and waited for.
 *
 * @param availability `[E]`, 0 = failed
 * @param awake `[E]`, 0 = asleep
 */
export function maskSleeping(out: Uint8Array, availability: Uint8Array, awake: Uint8Array, topK: number): boolean {
  let numLeft = 0
  for (let e = 0; e < out.length; e++) {
    out[e] = availability[e] !== 0 && awake[e] !== 0 ? 1 : 0
    numLeft += out[e]!
  }
  if (numLeft < topK) out.set(availability)
  return numLeft >= topK
}
