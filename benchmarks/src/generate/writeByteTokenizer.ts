import { writeFileSync } from "node:fs"
import { join } from "node:path"

const SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"] as const
const FIRST_SPECIAL = 256

const TEMPLATE =
  "{% for message in messages %}<|im_start|>{{ message.role }}\n{{ message.content }}<|im_end|>\n{% endfor %}" +
  "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"

/**
 * Returns the texts of a byte-level vocabulary: 256 bytes, three special tokens, then one numbered word for each id that is left.
 *
 * A model of random weights so answers with something to stream, whatever id it chooses.
 *
 * @throws Error on fewer ids than it needs
 */
export function byteVocabulary(vocabSize: number): string[] {
  const first = FIRST_SPECIAL + SPECIAL.length
  if (vocabSize < first) throw new Error(`a byte-level vocabulary needs ${first} ids, found ${vocabSize}`)
  const words = Array.from({ length: vocabSize - first }, (_, i) => `Ġ${first + i}`)
  return [...Array.from({ length: 256 }, (_, byte) => byteText(byte)), ...SPECIAL, ...words]
}

/** Writes tokenizer.json and a ChatML template: what the service needs to serve a generated checkpoint. */
export function writeByteTokenizer(dir: string, vocabSize: number): void {
  const vocab = Object.fromEntries(byteVocabulary(vocabSize).map((text, id) => [text, id]))
  const tokenizer = {
    version: "1.0",
    added_tokens: SPECIAL.map((content, i) => ({
      id: FIRST_SPECIAL + i,
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    })),
    normalizer: null,
    pre_tokenizer: { type: "ByteLevel", add_prefix_space: false, trim_offsets: false, use_regex: true },
    post_processor: null,
    decoder: { type: "ByteLevel" },
    model: { type: "BPE", unk_token: null, fuse_unk: false, byte_fallback: false, vocab, merges: [] },
  }
  writeFileSync(join(dir, "tokenizer.json"), JSON.stringify(tokenizer))
  const config = { chat_template: TEMPLATE, eos_token: "<|im_end|>", model_max_length: 1e9 }
  writeFileSync(join(dir, "tokenizer_config.json"), JSON.stringify(config))
}

/**
 * Returns the character that stands for a byte in byte-level vocabularies: itself where it can be seen, else one from U+0100 on.
 *
 * @see GPT-2's `bytes_to_unicode`, github.com/openai/gpt-2, src/encoder.py
 */
function byteText(byte: number): string {
  const isVisible = (value: number): boolean =>
    (value >= 0x21 && value <= 0x7e) || (value >= 0xa1 && value <= 0xac) || (value >= 0xae && value <= 0xff)
  if (isVisible(byte)) return String.fromCharCode(byte)
  let rank = 0
  for (let value = 0; value < byte; value++) if (!isVisible(value)) rank++
  return String.fromCharCode(0x100 + rank)
}
