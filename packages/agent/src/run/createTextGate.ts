/** Where calls begin that the stream's parser may have taken for text: from there on nothing is said before the answer has ended. */
const MARKS = ["<tool_call>", "<|tool_call_start|>", "<|python_tag|>", "```tool_call"] as const
const LONGEST = Math.max(...MARKS.map(({ length }) => length))
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
  let held = ""
  let numSaid = 0
  return {
    push(text) {
      held += text
      const length = freeLength(held, numSaid === 0)
      if (length === 0) return
      say(held.slice(0, length))
      numSaid += length
      held = held.slice(length)
    },
    end(text) {
      if (text.length > numSaid) say(text.slice(numSaid))
    },
  }
}

/** How much of a text is no call, whatever comes next. */
function freeLength(text: string, isBeginning: boolean): number {
  const begun = text.trimStart()
  if (isBeginning && (begun.startsWith(FENCE) || FENCE.startsWith(begun))) return 0
  const places = MARKS.map((mark) => text.indexOf(mark)).filter((at) => at >= 0)
  if (places.length > 0) return Math.min(...places)
  for (let at = Math.max(0, text.length - LONGEST); at < text.length; at++) {
    const tail = text.slice(at)
    if (MARKS.some((mark) => mark.startsWith(tail))) return at
  }
  return text.length
}
