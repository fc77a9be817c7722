/** Returns what a suite's flag counts, `usual` where it is not given. @throws Error unless it is a whole number above 0 */
export function parseCount(name: string, text: string | undefined, usual: number): number {
  const count = Number(text ?? usual)
  if (!Number.isInteger(count) || count < 1) throw new Error(`--${name} ${text}: expected a whole number above 0`)
  return count
}
