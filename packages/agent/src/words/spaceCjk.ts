/** Letters of scripts that are written without blanks. */
const CJK = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}]+/gu

/**
 * Returns a text as an index of words can read it: in Unicode's compatible form, each run of Chinese, Japanese or Korean letters as its pairs
 * (退款政策 → 退款 款政 政策), a single letter as itself.
 */
export function spaceCjk(text: string): string {
  return text.normalize("NFKC").replaceAll(CJK, (run) => ` ${pairsOf(run).join(" ")} `)
}

function pairsOf(run: string): string[] {
  const letters = [...run]
  return letters.length === 1 ? letters : letters.slice(1).map((letter, i) => letters[i]! + letter)
}
