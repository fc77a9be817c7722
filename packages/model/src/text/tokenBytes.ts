/** How a vocabulary writes bytes: GPT-2's printable stand-ins, SentencePiece's `▁` and `<0xNN>`, or plain text. */
export type VocabularyKind = "byte-level" | "metaspace" | "plain"

/** Tells a vocabulary's kind by the decoder that the tokenizer describes. */
export function vocabularyKind({ decoder }: { readonly decoder?: unknown }): VocabularyKind {
  const text = JSON.stringify(decoder ?? null)
  if (text.includes('"ByteLevel"')) return "byte-level"
  return text.includes('"Metaspace"') || text.includes("▁") ? "metaspace" : "plain"
}

/**
 * Tells whether a text's first token loses its leading space: the decoder says `Strip` (Llama 2, Mixtral), or is a `Metaspace` that
 * prepends one.
 */
export function stripsFirstSpace({ decoder }: { readonly decoder?: unknown }): boolean {
  const { type, decoders, start, content, prepend_scheme, add_prefix_space } = (decoder ?? {}) as DecoderFields
  switch (type) {
    case "Sequence":
      return Array.isArray(decoders) && decoders.some((part: unknown) => stripsFirstSpace({ decoder: part }))
    case "Strip":
      return content === " " && typeof start === "number" && start > 0
    case "Metaspace":
      return prepend_scheme === undefined ? add_prefix_space !== false : prepend_scheme !== "never"
    default:
      return false
  }
}

type DecoderFields = Readonly<
  Partial<Record<"type" | "decoders" | "start" | "content" | "prepend_scheme" | "add_prefix_space", unknown>>
>

/** Returns the bytes of a token as the vocabulary writes it. */
export function tokenBytesOf(token: string, kind: VocabularyKind): Uint8Array {
  if (kind === "byte-level") {
    const bytes = Array.from(token, (char) => BYTE_OF.get(char))
    return bytes.every((byte) => byte !== undefined) ? Uint8Array.from(bytes) : new TextEncoder().encode(token)
  }
  const byte = kind === "metaspace" ? /^<0x([0-9A-Fa-f]{2})>$/.exec(token)?.[1] : undefined
  if (byte !== undefined) return Uint8Array.of(Number.parseInt(byte, 16))
  return new TextEncoder().encode(kind === "metaspace" ? token.replaceAll("▁", " ") : token)
}

/** GPT-2's table, read backwards: printable bytes stand for themselves, the others for what follows U+00FF. */
const BYTE_OF: ReadonlyMap<string, number> = (() => {
  const isPrintable = (byte: number): boolean =>
    (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174
  let next = 256
  return new Map(
    Array.from({ length: 256 }, (_, byte) => [String.fromCharCode(isPrintable(byte) ? byte : next++), byte]),
  )
})()
