import { closeSync, fstatSync, openSync, readFileSync } from "node:fs"
import { SHARES } from "../learned/measureTradeOff.ts"
import { createCostRouter, type CostRouter } from "../learned/createCostRouter.ts"
import { createLearnedRouter, type LearnedRouter } from "../learned/createLearnedRouter.ts"
import type { RouterWeights } from "../learned/RouterWeights.ts"
import { NUM_FORMS } from "../features/requestFeatures.ts"
import { NUM_TASKS } from "../RequestRouter.ts"
import { RouterError } from "../RouterError.ts"
import type { EmbedderMark } from "../embed/Embedder.ts"
import { MAGIC, PREFIX_BYTES, type RouterHeader, VERSION } from "./encodeRouter.ts"

const MOST_FILE_BYTES = 512 * 2 ** 20
const MOST_EXPERTS = 10_000
const MOST_NAME = 200
const MOST_TEXT = 4000

/**
 * Reads a router's file, and keeps which one it was. To swap routers, load the new one and use it from the next request on.
 *
 * @throws RouterError on a file that cannot be read, or is none, or is damaged
 */
export function loadRouter(path: string): LearnedRouter | CostRouter {
  const bytes = readBytes(path)
  const weights = decodeRouter(bytes, path)
  const file = { path, sha256: new Bun.CryptoHasher("sha256").update(bytes).digest("hex") }
  return { ...(weights.tradeOff === undefined ? createLearnedRouter(weights) : createCostRouter(weights)), file }
}

function readBytes(path: string): Uint8Array {
  try {
    const file = openSync(path, "r")
    try {
      const { size } = fstatSync(file)
      if (size > MOST_FILE_BYTES)
        throw new RouterError(`${path}: expected a router of at most ${MOST_FILE_BYTES} bytes, found ${size}`)
      return readFileSync(file)
    } finally {
      closeSync(file)
    }
  } catch (error) {
    if (error instanceof RouterError) throw error
    throw new RouterError(`${path}: expected a readable router, found ${(error as NodeJS.ErrnoException).code}`)
  }
}

/**
 * Reads a router from its bytes. Nothing in them is trusted: sizes are checked before anything is allocated.
 *
 * @param source the file's name, for errors
 * @throws RouterError
 */
export function decodeRouter(bytes: Uint8Array, source: string): RouterWeights {
  const fail = (expected: string, found: unknown): never => {
    throw new RouterError(
      `${source}: expected ${expected}, found ${String(found)}: train the router anew with consilium fleet train`,
    )
  }
  const file = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (file.length < PREFIX_BYTES || file.toString("latin1", 0, 4) !== MAGIC) fail("a router's file", "something else")
  if (file.readUInt32LE(4) !== VERSION) fail(`version ${VERSION}`, file.readUInt32LE(4))
  const body = file.subarray(PREFIX_BYTES)
  const headerBytes = file.readUInt32LE(8)
  if (headerBytes > body.length) fail(`a header of ${headerBytes} bytes`, `${body.length} bytes in all`)
  if (Bun.hash.xxHash64(body) !== file.readBigUInt64LE(12)) fail("its checksum", "a damaged or truncated file")
  const header = parseHeader(body.toString("utf8", 0, headerBytes), fail)

  const { experts, hiddenWidth, numGrams, numSeen, embeddingSize, hasHead, hasTradeOff, temperature, output, seed } =
    header
  const embedder = header.embedder === undefined ? undefined : parseMark(header.embedder, embeddingSize, fail)
  const numFeatures = numGrams + NUM_FORMS + embeddingSize
  const headSizes = hasHead ? [NUM_TASKS * hiddenWidth, experts.length * hiddenWidth, experts.length] : []
  const tradeOffSizes = hasTradeOff ? [SHARES + 1, SHARES + 1] : []
  const sizes = [numGrams, numSeen, numGrams, numFeatures, hiddenWidth, ...headSizes, ...tradeOffSizes]
  const numBytes = 4 * sizes.reduce((sum, size) => sum + size, 0) + numFeatures * hiddenWidth
  const data = body.subarray(headerBytes)
  if (data.length !== numBytes) fail(`${numBytes} bytes of numbers`, data.length)

  let at = 0
  const take = (length: number): ArrayBuffer => {
    const copy = new Uint8Array(data.subarray(at, at + length)).buffer
    at += length
    return copy
  }
  const floats = (length: number): Float32Array => {
    const values = new Float32Array(take(4 * length))
    if (!values.every(Number.isFinite)) fail("finite numbers", "others")
    return values
  }
  const ascending = (length: number): Uint32Array => {
    const hashes = new Uint32Array(take(4 * length))
    if (hashes.some((hash, i) => i > 0 && hash <= hashes[i - 1]!)) fail("hashes in order", "others")
    return hashes
  }
  const hashes = ascending(numGrams)
  const seen = ascending(numSeen)
  const idf = floats(numGrams)
  const scales = floats(numFeatures)
  const bagBias = floats(hiddenWidth)
  const head = hasHead
    ? {
        taskEmbedding: floats(headSizes[0]!),
        output: { kind: "linear" as const, weight: floats(headSizes[1]!), bias: floats(headSizes[2]!) },
      }
    : undefined
  const tradeOff = hasTradeOff ? { thresholds: floats(SHARES + 1), quality: floats(SHARES + 1) } : undefined
  const rows = new Int8Array(take(numFeatures * hiddenWidth))
  const bag = new Float32Array(rows.length)
  for (let row = 0, i = 0; row < numFeatures; row++)
    for (const end = i + hiddenWidth; i < end; i++) bag[i] = rows[i]! * scales[row]!
  return {
    experts,
    output,
    features: { seed, hashes, idf },
    embeddingSize,
    ...(embedder !== undefined && { embedder }),
    seen,
    bag,
    bagBias,
    ...(head !== undefined && { head }),
    temperature,
    ...(tradeOff !== undefined && { tradeOff }),
  }
}

function parseHeader(text: string, fail: (expected: string, found: unknown) => never): RouterHeader {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return fail("a header in JSON", "something else")
  }
  const header = (value ?? {}) as RouterHeader
  const { experts, output, seed, numGrams, numSeen, embeddingSize, hiddenWidth, hasHead, hasTradeOff, temperature } =
    header
  const isName = (name: unknown): boolean => typeof name === "string" && name !== "" && name.length <= MOST_NAME
  const isList = Array.isArray(experts) && experts.length >= 2 && experts.length <= MOST_EXPERTS
  if (!isList || !experts.every(isName) || new Set(experts).size !== experts.length)
    return fail("2 experts or more by different names", "others")
  if (output !== "softmax" && output !== "sigmoid") return fail("an output, softmax or sigmoid", output)
  if (!Number.isSafeInteger(seed) || seed < 0) return fail("seed, a whole number", seed)
  for (const [name, count] of Object.entries({ numGrams, numSeen, embeddingSize, hiddenWidth }))
    if (!Number.isSafeInteger(count) || count < 0 || count > MOST_FILE_BYTES)
      return fail(`${name}, a whole number`, count)
  if (typeof hasHead !== "boolean" || typeof hasTradeOff !== "boolean")
    return fail("hasHead and hasTradeOff", "something else")
  if (hiddenWidth === 0 || (!hasHead && hiddenWidth !== experts.length))
    return fail("a width that fits the experts", hiddenWidth)
  if (hasTradeOff && experts.length !== 2) return fail("two experts of a trade-off", experts.length)
  if (!(temperature > 0 && temperature < Number.POSITIVE_INFINITY)) return fail("a temperature above 0", temperature)
  return header
}

function parseMark(
  value: unknown,
  embeddingSize: number,
  fail: (expected: string, found: unknown) => never,
): EmbedderMark {
  const { kind, model, content, task, size } = (value ?? {}) as EmbedderMark
  const isText = (text: unknown): text is string => typeof text === "string" && text.length <= MOST_TEXT
  if (kind !== "local" && kind !== "onnx" && kind !== "remote") return fail("an embedder's kind", kind)
  if (!isText(model) || !isText(task) || (content !== undefined && !isText(content)))
    return fail("an embedder's model, content and task", "others")
  if (size !== embeddingSize || size === 0) return fail(`an embedder of size ${embeddingSize}, above 0`, size)
  return { kind, model, ...(content !== undefined && { content }), task, size }
}
