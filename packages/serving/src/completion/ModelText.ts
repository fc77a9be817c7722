import {
  type ChatTemplate,
  decodeIds,
  findModelFile,
  loadChatTemplate,
  loadEndIds,
  loadModelConfig,
  loadTokenizer,
  TextError,
  type Tokenizer,
} from "@consilium/model"
import { dirname } from "node:path"

/** Everything of a model that works on text: it lives in the HTTP process. */
export interface ModelText {
  readonly tokenizer: Tokenizer
  /** Undefined where the checkpoint has none: it completes text, but does not chat. */
  readonly template: ChatTemplate | undefined
  readonly eosIds: readonly number[]
}

/** Loads tokenizer, template and end-of-sequence ids of a checkpoint. @throws TextError or CheckpointError */
export function loadModelText(dir: string): ModelText {
  return { tokenizer: loadTokenizer(dir), template: loadChatTemplate(dir), eosIds: loadModelConfig(dir).config.eosIds }
}

/**
 * Loads what works on text of a user's ONNX model, from files beside it or in the folder above.
 *
 * @throws TextError or CheckpointError
 */
export function loadOnnxText(path: string): ModelText {
  const file = findModelFile(path, "tokenizer.json")
  if (file === undefined)
    throw new TextError(`${path}: expected tokenizer.json beside it or in the folder above, found none`)
  const dir = dirname(file)
  const tokenizer = loadTokenizer(dir)
  return { tokenizer, template: loadChatTemplate(dir), eosIds: loadEndIds(dir, tokenizer) }
}

/** Returns the text of a prompt, for routes that repeat it. */
export function decodePrompt(
  prompt: { readonly kind: "text"; readonly text: string } | { readonly kind: "ids"; readonly ids: readonly number[] },
  { tokenizer }: ModelText,
): string {
  return prompt.kind === "text" ? prompt.text : decodeIds(tokenizer, prompt.ids)
}
