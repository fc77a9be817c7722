/** Says whether a text holds Chinese characters. */
export function hasHanzi(text: string): boolean {
  return /\p{Script=Han}/u.test(text)
}
