import { CheckpointError } from "./CheckpointError.ts"

/** One tensor of a safetensors file; offsets are bytes from the file's start. */
export interface StoredTensor {
  readonly name: string
  /** As the format names it. */
  readonly dtype: string
  readonly shape: readonly number[]
  readonly begin: number
  readonly end: number
}

/** Bits of an element, for every type of the format. Which of them are read is the checkpoint's affair. */
const DTYPE_BITS: ReadonlyMap<unknown, number> = new Map(
  (
    [
      [64, "F64 I64 U64 C64"],
      [32, "F32 I32 U32"],
      [16, "F16 BF16 I16 U16"],
      [8, "F8_E4M3 F8_E5M2 F8_E8M0 I8 U8 BOOL"],
      [6, "F6_E2M3 F6_E3M2"],
      [4, "F4"],
    ] as const
  ).flatMap(([bits, names]) => names.split(" ").map((name) => [name, bits] as const)),
)
/** The format's own limit. */
const MAX_HEADER_BYTES = 100_000_000
const PREFIX_BYTES = 8

type Fail = (expected: string, found: string, subject?: string) => never

/**
 * Reads and verifies a safetensors header: nothing in it is trusted.
 *
 * As the format demands, the tensors fill the data without overlap or hole; so a name that occurs twice in the JSON is noticed too.
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
  const fail: Fail = (expected, found, subject) => {
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
  const tensors = Object.entries(header)
    .filter(([name]) => name !== "__metadata__")
    .map(([name, entry]) => parseTensor(name, entry, dataBytes, fail))
  checkCoverage(tensors, dataBytes, fail)
  return new Map(
    tensors.map((tensor) => [tensor.name, { ...tensor, begin: dataStart + tensor.begin, end: dataStart + tensor.end }]),
  )
}

function parseTensor(name: string, entry: unknown, dataBytes: number, fail: Fail): StoredTensor {
  const { dtype, shape, data_offsets: offsets } = (entry ?? {}) as Record<string, unknown>
  const bits = DTYPE_BITS.get(dtype)
  if (bits === undefined) return fail("a dtype of the safetensors format", JSON.stringify(dtype) ?? "none", name)
  if (!isSizes(shape)) return fail("a shape of non-negative whole numbers", JSON.stringify(shape) ?? "none", name)
  if (!isSizes(offsets) || offsets.length !== 2)
    return fail("data_offsets [begin, end]", JSON.stringify(offsets) ?? "none", name)
  const [begin, end] = offsets as [number, number]
  if (begin > end || end > dataBytes) {
    return fail(`offsets within the file's ${dataBytes} bytes of data (is it truncated?)`, `[${begin}, ${end}]`, name)
  }
  const bytes = (shape.reduce((product, size) => product * size, 1) * bits) / 8
  if (bytes !== end - begin)
    return fail(`${bytes} bytes for ${dtype as string} [${shape.join(", ")}]`, `${end - begin}`, name)
  return { name, dtype: dtype as string, shape, begin, end }
}

function checkCoverage(tensors: readonly StoredTensor[], dataBytes: number, fail: Fail): void {
  let end = 0
  for (const tensor of tensors.toSorted((a, b) => a.begin - b.begin || a.end - b.end)) {
    if (tensor.begin !== end)
      fail(`data from byte ${end} on, without overlap or hole`, `it from byte ${tensor.begin}`, tensor.name)
    end = tensor.end
  }
  if (end !== dataBytes) fail(`${end} bytes of data`, `${dataBytes}`)
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
