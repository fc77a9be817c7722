/** Why a tokenizer or a chat template cannot be loaded or used, in one line. */
export class TextError extends Error {
  readonly _tag = "TextError"
  override readonly name = "TextError"
}
