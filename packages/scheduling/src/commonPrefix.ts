/** Returns how many ids two sequences begin with in common, `most` at most. */
export function commonPrefix(a: readonly number[], b: readonly number[], most: number): number {
  const end = Math.min(a.length, b.length, most)
  let length = 0
  while (length < end && a[length] === b[length]) length++
  return length
}
