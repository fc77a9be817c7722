import { hash32 } from "@consilium/tensor"

/** Which draw of which answer: the same draw always gives the same number. */
export interface Draw {
  readonly seed: number
  /** Which of a request's `n` answers. */
  readonly choice: number
  /** Position of the token within the answer. */
  readonly position: number
}

/** Returns a uniform number in [0, 1) with 53 bits: a pure function of the draw, by hashing rather than by a generator's state. */
export function drawUniform({ seed, choice, position }: Draw): number {
  // A seed may have more than 32 bits: both halves take part.
  const low = seed >>> 0
  const high = Math.floor(seed / 2 ** 32) >>> 0
  const mixed =
    hash32(hash32(hash32(low ^ 0x9e3779b9) ^ high) ^ hash32(choice + 0x85ebca6b)) ^ hash32(position + 0xc2b2ae35)
  const upper = hash32(mixed)
  const lower = hash32(upper ^ hash32(mixed + 0x27d4eb2f))
  return ((upper >>> 5) * 2 ** 26 + (lower >>> 6)) / 2 ** 53
}
