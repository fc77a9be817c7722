/** How a vocabulary writes bytes: GPT-2's printable stand-ins, SentencePiece's `▁` and `<0xNN>`, or plain text. */
export type VocabularyKind = "byte-level" | "metaspace" | "plain"

/** Tells a vocabulary's kind by the decoder that the tokenizer describes. */
export function vocabularyKind({ decoder }: { readonly decoder?: unknown }): VocabularyKind {
  const text = JSON.stringify(decoder ?? null)
  if (text.includes('"ByteLevel"')) return "byte-level"
  return text.includes('"Metaspace"') || text.includes("▁") ? "metaspace" : "plain"
}

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
