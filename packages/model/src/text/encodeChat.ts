import type { ChatTemplate, TemplateMessage } from "./loadChatTemplate.ts"
import type { Tokenizer } from "./loadTokenizer.ts"

/** Private-use characters: no text that we were given is likely to hold them, and what does is left as it is. */
const MARK = "\uE0F1"
const MARKED = /\uE0F1(\d+)\uE0F1/

/**
 * Renders a conversation and encodes it.
 *
 * Special tokens that are written inside messages stay text: a user cannot close a turn or open another. (Reference implementations let them.)
 *
 * @throws TextError when the template refuses the conversation
 */
export function encodeChat(
  tokenizer: Tokenizer,
  template: ChatTemplate,
  messages: readonly TemplateMessage[],
  tools: readonly unknown[],
): number[] {
  const { specialTexts } = tokenizer
  const guard = (text: string): string =>
    specialTexts.reduce((guarded, special, i) => guarded.replaceAll(special, `${MARK}${i}${MARK}`), text)
  const isUnguarded = messages.every(({ content }) => !specialTexts.some((special) => content.includes(special)))
  if (isUnguarded) return tokenizer.encode(template.render(messages, tools))

  const rendered = template.render(
    messages.map((message) => ({ ...message, content: guard(message.content) })),
    tools,
  )
  // Even places of the split are the template's and plain text, odd ones name a special token that a message wrote.
  return rendered.split(MARKED).flatMap((piece, place) => {
    if (place % 2 === 0) return tokenizer.encode(piece)
    const special = specialTexts[Number(piece)] ?? ""
    return [...tokenizer.encode(special.slice(0, 1)), ...tokenizer.encode(special.slice(1))]
  })
}
