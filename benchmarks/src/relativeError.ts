import type { Format } from "@consilium/kernels"

/** How far products may be from the reference's in the same format: f32 may be summed in another order, integers have one result. */
export const SAME_NUMBERS: Readonly<Record<Format, number>> = { f32: 1e-4, int8: 1e-3, int4: 1e-3 }

/** Lets only those be timed who compute the right thing. @throws Error when `found` is further than `bound` from `right`, relative */
export function requireNear(who: string, found: Float32Array, right: Float32Array, bound: number): void {
  const error = relativeError(found, right)
  if (error <= bound) return
  throw new Error(
    `${who} computes something else: expected at most ${bound} from the right numbers, relative, found ${error}`,
  )
}

/** Returns the distance of `found` from `right` over the length of `right`; infinite where a value is not finite. */
export function relativeError(found: Float32Array, right: Float32Array): number {
  if (found.length !== right.length) throw new Error(`expected ${right.length} values, found ${found.length}`)
  let difference = 0
  let length = 0
  for (let i = 0; i < right.length; i++) {
    difference += (found[i]! - right[i]!) ** 2
    length += right[i]! ** 2
  }
  const error = Math.sqrt(difference / length)
  return Number.isFinite(error) ? error : Number.POSITIVE_INFINITY
}
