/**
 * What a chat template, or a model that was trained with one, may take for the frame of a conversation: `<|im_start|>` and its kind, also with
 * the full-width bars of DeepSeek; names with an underscore, which no HTML tag has; single words that frame turns, tools and our own data;
 * Llama's and Mistral's brackets. Blanks inside and full-width angles do not help.
 */
const FRAME =
  /[<＜]\s{0,4}[|｜][^<>＜＞]{0,64}[>＞]|[<＜]\s{0,4}\/?\s{0,4}(?:[a-z]+(?:[_▁]+[a-z]+)+|tools?|function|parameter|invoke|think|system|user|assistant|human|data|memory|documents|s|bos|eos)(?:[\s=:/][^<>＜＞]{0,200})?[>＞]|<<\s{0,4}\/?\s{0,4}sys\s{0,4}>>|\[\s{0,4}\/?\s{0,4}(?:inst|tool_calls|tool_results|available_tools|system_prompt)\s{0,4}\]/gi

const LOOK_ALIKES: Readonly<Record<string, string>> = {
  "<": "‹",
  "＜": "‹",
  ">": "›",
  "＞": "›",
  "|": "¦",
  "｜": "¦",
  "[": "⟦",
  "]": "⟧",
}

/**
 * Takes the effect from whatever in a text might frame a conversation: its angles become look-alikes that no template and no tokenizer knows.
 *
 * What tools, documents and memories say goes through it before a model sees it; the rest of the text stays as it is.
 */
export function neutralise(text: string): string {
  return text.replaceAll(FRAME, (tag) => tag.replaceAll(/[<＜>＞|｜[\]]/g, (char) => LOOK_ALIKES[char]!))
}
