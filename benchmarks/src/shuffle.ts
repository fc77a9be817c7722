/** Puts values into a random order, in place, and returns them. @see Knuth, TAOCP vol. 2 §3.4.2, algorithm P */
export function shuffle<A extends { [index: number]: unknown; readonly length: number }>(
  values: A,
  random: () => number,
): A {
  for (let i = values.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1))
    const swapped = values[i]
    values[i] = values[j]
    values[j] = swapped
  }
  return values
}
