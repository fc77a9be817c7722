/** No token of ordinary text is longer: a text beyond it is cut before anybody counts its tokens. */
const MOST_TOKEN_LENGTH = 32
const MARK = " … [cut]"

/** Returns the beginning of a text, of at most so many tokens with the mark that says so; a text that fits stays as it is. */
export function cutText(text: string, maxTokens: number, countTokens: (text: string) => number): string {
  const most = maxTokens * MOST_TOKEN_LENGTH
  if (text.length <= most && countTokens(text) <= maxTokens) return text
  let kept = whole(text.slice(0, most))
  for (let numTokens = countTokens(kept + MARK); kept !== "" && numTokens > maxTokens;) {
    const length = Math.floor((kept.length * maxTokens) / numTokens)
    kept = whole(kept.slice(0, Math.min(kept.length - 1, length))).trimEnd()
    numTokens = countTokens(kept + MARK)
  }
  return kept + MARK
}

/** Without the half of a character at its end. */
function whole(text: string): string {
  return /[\uD800-\uDBFF]$/.test(text) ? text.slice(0, -1) : text
}
