import { CheckpointError } from "./CheckpointError.ts"

type Dtype = "F32" | "F16" | "BF16"

/** One tensor of a safetensors file; offsets are bytes from the file's start. */
export interface StoredTensor {
  readonly name: string
  readonly dtype: Dtype
  readonly shape: readonly number[]
  readonly begin: number
  readonly end: number
}

const DTYPE_BYTES: Readonly<Record<string, number>> = { F32: 4, F16: 2, BF16: 2 }
/** Larger than any published header by an order of magnitude. */
const MAX_HEADER_BYTES = 100 * 2 ** 20
const PREFIX_BYTES = 8

/**
 * Reads and verifies a safetensors header: nothing in it is trusted.
 *
 * @param readAt reads exactly `bytes` at `offset`
 * @throws CheckpointError naming what is wrong
 * @see https://github.com/huggingface/safetensors, "Format"
 */
export function readSafetensorsHeader(
  file: string,
  fileBytes: number,
  readAt: (offset: number, bytes: number) => Uint8Array,
): Map<string, StoredTensor> {
  const fail = (expected: string, found: string, subject?: string): never => {
    throw new CheckpointError({ file, expected, found, ...(subject === undefined ? {} : { subject }) })
  }
  if (fileBytes < PREFIX_BYTES)
    return fail("a safetensors file with a header of 8 bytes and more", `${fileBytes} bytes`)
  const prefix = readAt(0, PREFIX_BYTES)
  const headerBytes = Number(new DataView(prefix.buffer, prefix.byteOffset).getBigUint64(0, true))
  const mostBytes = Math.min(MAX_HEADER_BYTES, fileBytes - PREFIX_BYTES)
  if (headerBytes > mostBytes)
    return fail(`a header of at most ${mostBytes} bytes`, `a header length of ${headerBytes}`)

  const header = parseHeader(readAt(PREFIX_BYTES, headerBytes))
  if (header === undefined) return fail("a header that is a JSON object", "something else")
  const dataStart = PREFIX_BYTES + headerBytes
  const dataBytes = fileBytes - dataStart

  const tensors = new Map<string, StoredTensor>()
  for (const [name, entry] of Object.entries(header)) {
    if (name === "__metadata__") continue
    const { dtype, shape, data_offsets: offsets } = (entry ?? {}) as Record<string, unknown>
    if (!isSizes(shape)) return fail("a shape of non-negative whole numbers", JSON.stringify(shape) ?? "none", name)
    if (!isSizes(offsets) || offsets.length !== 2)
      return fail("data_offsets [begin, end]", JSON.stringify(offsets) ?? "none", name)
    const [begin, end] = offsets as [number, number]
    if (begin > end || end > dataBytes) {
      return fail(`offsets within the file's ${dataBytes} bytes of data (is it truncated?)`, `[${begin}, ${end}]`, name)
    }
    const elementBytes = typeof dtype === "string" ? DTYPE_BYTES[dtype] : undefined
    // Tensors of other types may lie in the file as long as nothing reads them.
    if (elementBytes === undefined) continue
    const bytes = shape.reduce((product, size) => product * size, elementBytes)
    if (bytes !== end - begin)
      return fail(`${bytes} bytes for ${dtype as string} [${shape.join(", ")}]`, `${end - begin}`, name)
    tensors.set(name, { name, dtype: dtype as Dtype, shape, begin: dataStart + begin, end: dataStart + end })
  }
  const byBegin = [...tensors.values()].filter(({ begin, end }) => end > begin).sort((a, b) => a.begin - b.begin)
  for (let i = 1; i < byBegin.length; i++) {
    const [before, after] = [byBegin[i - 1]!, byBegin[i]!]
    if (after.begin < before.end)
      return fail("tensors that do not overlap", `${before.name} and ${after.name} overlapping`)
  }
  return tensors
}

function parseHeader(bytes: Uint8Array): Readonly<Record<string, unknown>> | undefined {
  try {
    const header: unknown = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes))
    return typeof header === "object" && header !== null && !Array.isArray(header)
      ? (header as Record<string, unknown>)
      : undefined
  } catch {
    return undefined
  }
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0)
}
