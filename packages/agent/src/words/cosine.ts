/** Returns the cosine of two vectors `[D]`; 0 where one is 0, or they differ in size. */
export function cosine(a: Float32Array, b: Float32Array): number {
  if (a.length !== b.length) return 0
  let dot = 0
  let squaresA = 0
  let squaresB = 0
  for (let i = 0; i < a.length; i++) {
    dot += a[i]! * b[i]!
    squaresA += a[i]! * a[i]!
    squaresB += b[i]! * b[i]!
  }
  return squaresA * squaresB === 0 ? 0 : dot / Math.sqrt(squaresA * squaresB)
}
