/** Copies `length` values without the views that `set` and `subarray` would need: for the step loop, which allocates nothing. */
export function copyValues(
  to: Float32Array,
  toStart: number,
  from: Float32Array,
  fromStart: number,
  length: number,
): void {
  for (let i = 0; i < length; i++) to[toStart + i] = from[fromStart + i]!
}
