import { Tokenizer as Library } from "@huggingface/tokenizers"
import { existsSync } from "node:fs"
import { join } from "node:path"
import { readJsonObject } from "../checkpoint/openCheckpoint.ts"
import { mendPreTokenizer } from "./mendPreTokenizer.ts"
import { TextError } from "./TextError.ts"
import { stripsFirstSpace, tokenBytesOf, vocabularyKind } from "./tokenBytes.ts"

/** Text to ids and back. */
export interface Tokenizer {
  /** Encodes text; special tokens written in it become these tokens. `addSpecialTokens` adds what the tokenizer puts around a text. */
  encode(text: string, options?: { readonly addSpecialTokens?: boolean }): number[]
  /** Returns the bytes that a token stands for; empty for an unknown id. A token may hold part of a character. */
  tokenBytes(id: number): Uint8Array
  isSpecial(id: number): boolean
  /** Special tokens as they are written. */
  readonly specialTexts: readonly string[]
  /** Bytes of the longest token: no text has fewer tokens than its bytes divided by this. */
  readonly longestTokenBytes: number
  /** A text's first token loses its leading space (SentencePiece). */
  readonly stripsFirstSpace: boolean
}

interface AddedToken {
  readonly id: number
  readonly content: string
  readonly special: boolean
}

/**
 * Loads tokenizer.json, and tokenizer_config.json where there is one.
 *
 * @throws TextError or CheckpointError naming the file
 */
export function loadTokenizer(dir: string): Tokenizer {
  const path = join(dir, "tokenizer.json")
  const configPath = join(dir, "tokenizer_config.json")
  const description = mendPreTokenizer(readJsonObject(path))
  const config = existsSync(configPath) ? readJsonObject(configPath) : {}
  checkModel(path, description)
  const library = construct(path, description, config)

  const added = parseAddedTokens(path, description)
  const addedById = new Map(added.map((token) => [token.id, token]))
  const specialIds = new Set(added.filter(({ special }) => special).map(({ id }) => id))
  const kind = vocabularyKind(description)
  const cache = new Map<number, Uint8Array>()
  const bytesOf = (id: number): Uint8Array => {
    const text = addedById.get(id)?.content
    if (text !== undefined) return new TextEncoder().encode(text)
    const token = library.id_to_token(id)
    return token === undefined ? new Uint8Array() : tokenBytesOf(token, kind)
  }

  let longestTokenBytes = 1
  for (const token of library.get_vocab(true).keys())
    longestTokenBytes = Math.max(longestTokenBytes, Buffer.byteLength(token))

  return {
    encode: (text, { addSpecialTokens = false } = {}) => [
      ...library.encode(text, { add_special_tokens: addSpecialTokens }).ids,
    ],
    tokenBytes(id) {
      const known = cache.get(id)
      if (known !== undefined) return known
      const bytes = bytesOf(id)
      cache.set(id, bytes)
      return bytes
    },
    isSpecial: (id) => specialIds.has(id),
    specialTexts: added.filter(({ special }) => special).map(({ content }) => content),
    longestTokenBytes,
    stripsFirstSpace: stripsFirstSpace(description),
  }
}

/** Checks what the library would take for something else. A file without a model type is left to its judgement. */
function checkModel(path: string, { model }: { readonly model?: unknown }): void {
  const { type, vocab } = (model ?? {}) as { readonly type?: unknown; readonly vocab?: unknown }
  const isKnown = type === undefined || type === null || type === "BPE" || type === "Unigram" || type === "WordPiece"
  if (!isKnown)
    throw new TextError(`${path}: model.type: expected BPE, Unigram or WordPiece, found ${JSON.stringify(type)}`)
  // Unigram lists tokens with their scores: their places are the ids.
  if (typeof vocab !== "object" || vocab === null || Array.isArray(vocab)) return
  for (const [token, id] of Object.entries(vocab)) {
    if (!Number.isSafeInteger(id) || (id as number) < 0)
      throw new TextError(
        `${path}: model.vocab: ${JSON.stringify(token)}: expected an id of 0 or more, found ${JSON.stringify(id)}`,
      )
  }
}

function construct(path: string, description: object, config: object): Library {
  try {
    return new Library(description, config)
  } catch (error) {
    throw new TextError(
      `${path}: expected a tokenizer that we read, found one of which the library says: ${(error as Error).message}`,
    )
  }
}

function parseAddedTokens(
  path: string,
  { added_tokens: added = [] }: { readonly added_tokens?: unknown },
): AddedToken[] {
  const isToken = (value: unknown): value is AddedToken => {
    const { id, content } = (value ?? {}) as Partial<AddedToken>
    return Number.isSafeInteger(id) && typeof content === "string" && content !== ""
  }
  if (Array.isArray(added) && added.every(isToken))
    return added.map(({ id, content, special }) => ({ id, content, special: special === true }))
  throw new TextError(`${path}: added_tokens: expected an array of { id, content, special }`)
}
