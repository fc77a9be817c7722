import type { ChatTemplate, TemplateMessage } from "./loadChatTemplate.ts"
import type { Tokenizer } from "./loadTokenizer.ts"

/** What a model is asked, as it stands before the template. */
export interface Conversation {
  readonly messages: readonly TemplateMessage[]
  readonly tools: readonly unknown[]
  /** The beginning of the answer, which is gone on with. */
  readonly answered?: string
}

/**
 * Renders a conversation and encodes it.
 *
 * Special tokens that are written inside messages, tools or the arguments of calls stay text: a user cannot close a turn or open another.
 * (Reference implementations let them.) Everything else gets the reference's ids.
 *
 * @param checkText called with the rendered text before it is encoded; may throw to refuse it
 * @throws TextError when the template refuses the conversation
 */
export function encodeChat(
  tokenizer: Tokenizer,
  template: ChatTemplate,
  conversation: Conversation,
  checkText: (rendered: string) => void = () => {},
): number[] {
  const { specialTexts } = tokenizer
  const written = JSON.stringify(conversation)
  // As JSON too, where a special token may look different.
  const isWritten = specialTexts.some((special) => written.includes(JSON.stringify(special).slice(1, -1)))
  if (!isWritten) {
    const rendered = template.render(conversation.messages, conversation.tools) + (conversation.answered ?? "")
    checkText(rendered)
    return tokenizer.encode(rendered)
  }

  const mark = unusedCharacter(written)
  const guard = (text: string): string =>
    specialTexts.reduce((guarded, special, i) => guarded.replaceAll(special, `${mark}${i}${mark}`), text)
  const { messages, tools, answered = "" } = mapStrings(conversation, guard) as Conversation
  const rendered = template.render(messages, tools) + answered
  checkText(rendered)
  // Even places of the split are the template's and plain text, odd ones name a special token that somebody wrote.
  return rendered.split(new RegExp(`${mark}(\\d+)${mark}`)).flatMap((piece, place) => {
    if (place % 2 === 0) return tokenizer.encode(piece)
    const special = specialTexts[Number(piece)] ?? ""
    const [first = ""] = special
    return [...tokenizer.encode(first), ...tokenizer.encode(special.slice(first.length))]
  })
}

/** A private-use character that a text does not hold, so that nobody can forge a mark. There are 6400: a text with all of them gets the last. */
function unusedCharacter(text: string): string {
  for (let code = 0xe000; code < 0xf8ff; code++) {
    const character = String.fromCharCode(code)
    if (!text.includes(character)) return character
  }
  return "\uF8FF"
}

/** Returns a JSON value with every string of it changed, keys too. */
function mapStrings(value: unknown, change: (text: string) => string): unknown {
  if (typeof value === "string") return change(value)
  if (Array.isArray(value)) return value.map((item) => mapStrings(item, change))
  if (typeof value !== "object" || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [change(key), mapStrings(item, change)]))
}
