/** Where calls begin that the stream's parser may have taken for text: from there on nothing is said before the answer has ended. */
const MARKS = ["<tool_call>", "<|tool_call_start|>", "<|python_tag|>", "```tool_call"] as const
/** Begins an answer that may be nothing but a call. */
const FENCE = "```"

/** Lets an answer's text through as it comes, but no calls that are written into it. */
export interface TextGate {
  push(text: string): void
  /** Says what is left, once the answer's text is known without its calls. */
  end(text: string): void
}

/** @param say called with pieces that together are the text without its calls */
export function createTextGate(say: (text: string) => void): TextGate {
  let all = ""
  let numSaid = 0
  const sayUpTo = (text: string, end: number): void => {
    if (end > numSaid) say(text.slice(numSaid, end))
    numSaid = Math.max(numSaid, end)
  }
  return {
    push(text) {
      all += text
      sayUpTo(all, freeLength(all, numSaid))
    },
    end: (text) => sayUpTo(text, text.length),
  }
}

/** How much of a text is no call, whatever comes next. @param from where to look from: before it there is none */
function freeLength(text: string, from: number): number {
  const begun = text.trimStart()
  if (begun.startsWith(FENCE) || FENCE.startsWith(begun)) return 0
  const marks = MARKS.map((mark) => text.indexOf(mark, from)).filter((at) => at >= 0)
  if (marks.length > 0) return Math.min(...marks)
  for (let at = Math.max(from, text.length - 20); at < text.length; at++) {
    const tail = text.slice(at)
    if (MARKS.some((mark) => mark.startsWith(tail))) return at
  }
  return text.length
}
