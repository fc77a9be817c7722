import type { Rows } from "@consilium/kernels"

/** `out[t]` = the N largest of `logits[t]`, best first, ties to the lower index, then their N indices. A NaN comes before all. Plain: both lie in the arena. */
export function shortlistRowsPlain(out: Rows, logits: Rows, numRows: number): void {
  const length = out.width / 2
  const { values: from, width } = logits
  const { values: to } = out
  for (let t = 0; t < numRows; t++) {
    const first = t * out.width
    let count = 0
    for (let i = 0; i < width; i++) {
      const value = from[t * width + i]!
      if (count === length && !isBefore(value, to[first + length - 1]!)) continue
      let at = count === length ? length - 1 : count++
      for (; at > 0 && isBefore(value, to[first + at - 1]!); at--) {
        to[first + at] = to[first + at - 1]!
        to[first + length + at] = to[first + length + at - 1]!
      }
      to[first + at] = value
      to[first + length + at] = i
    }
  }
}

function isBefore(value: number, other: number): boolean {
  return value > other || (Number.isNaN(value) && !Number.isNaN(other))
}
