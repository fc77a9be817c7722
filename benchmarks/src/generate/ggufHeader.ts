/** Types of tensors that we write, by the numbers that the format gives them, and bytes of one block. */
export const GGML_TYPES = {
  F32: { id: 0, blockLength: 1, blockBytes: 4 },
  Q4_0: { id: 2, blockLength: 32, blockBytes: 18 },
} as const

type GgmlType = keyof typeof GGML_TYPES

export interface GgufTensor {
  readonly name: string
  readonly type: GgmlType
  /** As our shapes are, the longest stride first: `[rows, columns]`. */
  readonly shape: readonly number[]
}

/** A value of the metadata; whole numbers are `uint`, others `float`. */
export type GgufValue =
  | { readonly uint: number }
  | { readonly float: number }
  | { readonly text: string }
  | { readonly texts: readonly string[] }
  | { readonly ints: readonly number[] }

export const GGUF_ALIGNMENT = 32
const VERSION = 3
const VALUE = { uint32: 4, int32: 5, float32: 6, string: 8, array: 9 }

/** Returns the bytes of a tensor, whose rows must be whole blocks. */
export function ggufTensorBytes({ type, shape }: GgufTensor): number {
  const { blockLength, blockBytes } = GGML_TYPES[type]
  return (shape.reduce((product, size) => product * size, 1) / blockLength) * blockBytes
}

/**
 * Returns a GGUF file up to its first tensor's data, padded to the alignment. Tensors follow in order, each padded likewise.
 *
 * @see github.com/ggml-org/ggml, docs/gguf.md
 */
export function ggufHeader(metadata: Readonly<Record<string, GgufValue>>, tensors: readonly GgufTensor[]): Uint8Array {
  const parts: Uint8Array[] = []
  const uint32 = (value: number): void => void parts.push(new Uint8Array(Uint32Array.of(value).buffer))
  const uint64 = (value: number): void => void parts.push(new Uint8Array(BigUint64Array.of(BigInt(value)).buffer))
  const text = (value: string): void => {
    const bytes = new TextEncoder().encode(value)
    uint64(bytes.length)
    parts.push(bytes)
  }
  const value = (of: GgufValue): void => {
    if ("uint" in of) return (uint32(VALUE.uint32), uint32(of.uint))
    if ("float" in of) return (uint32(VALUE.float32), void parts.push(new Uint8Array(Float32Array.of(of.float).buffer)))
    if ("text" in of) return (uint32(VALUE.string), text(of.text))
    const isTexts = "texts" in of
    uint32(VALUE.array)
    uint32(isTexts ? VALUE.string : VALUE.int32)
    uint64(isTexts ? of.texts.length : of.ints.length)
    if (isTexts) of.texts.forEach(text)
    else parts.push(new Uint8Array(Int32Array.from(of.ints).buffer))
  }

  parts.push(new TextEncoder().encode("GGUF"))
  uint32(VERSION)
  uint64(tensors.length)
  uint64(Object.keys(metadata).length)
  for (const [key, entry] of Object.entries(metadata)) {
    text(key)
    value(entry)
  }
  let offset = 0
  for (const tensor of tensors) {
    text(tensor.name)
    uint32(tensor.shape.length)
    for (const size of tensor.shape.toReversed()) uint64(size)
    uint32(GGML_TYPES[tensor.type].id)
    uint64(offset)
    offset += padded(ggufTensorBytes(tensor))
  }
  const bytes = Buffer.concat(parts)
  return Buffer.concat([bytes, new Uint8Array(padded(bytes.length) - bytes.length)])
}

function padded(bytes: number): number {
  return Math.ceil(bytes / GGUF_ALIGNMENT) * GGUF_ALIGNMENT
}
