import { bf16ToF32, f16ToF32 } from "@consilium/tensor"
import { closeSync, existsSync, fstatSync, openSync, readFileSync, readSync } from "node:fs"
import { join } from "node:path"
import { CheckpointError } from "./CheckpointError.ts"
import { readSafetensorsHeader, type StoredTensor } from "./safetensorsHeader.ts"

const WEIGHTS = "model.safetensors"
const INDEX = "model.safetensors.index.json"
/** Bytes read at once: one window, reused. */
const WINDOW_BYTES = 16 * 2 ** 20

/** A checkpoint's tensors, read on demand and converted to f32. Holds open files and one window, never the weights. */
export interface Checkpoint {
  readonly dir: string
  /** Bytes of all weight files. */
  readonly fileBytes: number
  has(name: string): boolean
  /** @throws CheckpointError unless there is a tensor of this name and shape, of a type that is read (F32, F16, BF16) */
  check(name: string, shape: readonly number[]): void
  /** @throws CheckpointError when there is no such tensor */
  shape(name: string): readonly number[]
  /** Reads a tensor whose shape must be `shape`, converted to f32. @throws CheckpointError naming the tensor, expected and found shape */
  readTensor(name: string, shape: readonly number[], out?: Float32Array): Float32Array
  /** Reads rows `from .. from + numRows` of a matrix whose shape must be `shape`. */
  readRows(
    name: string,
    shape: readonly [number, number],
    from: number,
    numRows: number,
    out?: Float32Array,
  ): Float32Array
  close(): void
}

interface Located extends StoredTensor {
  readonly file: WeightFile
}

interface WeightFile {
  readonly path: string
  readonly handle: number
  readonly bytes: number
}

/**
 * Opens a checkpoint directory: `model.safetensors`, or shards named by `model.safetensors.index.json`.
 *
 * @throws CheckpointError on anything that is missing or damaged; whatever was opened is closed again
 */
export function openCheckpoint(dir: string): Checkpoint {
  return openFiles(dir, weightFiles(dir))
}

/** Opens a single safetensors file as a checkpoint. @throws CheckpointError as `openCheckpoint` */
export function openWeightsFile(path: string): Checkpoint {
  return openFiles(path, [{ path, expected: [] }])
}

function openFiles(dir: string, wanted: readonly { path: string; expected: readonly string[] }[]): Checkpoint {
  const files: WeightFile[] = []
  const tensors = new Map<string, Located>()
  const window = new Uint8Array(WINDOW_BYTES)
  const close = (): void => {
    for (const { handle } of files.splice(0)) closeSync(handle)
  }

  try {
    for (const { path, expected } of wanted) {
      const file = openFile(path)
      files.push(file)
      const found = readSafetensorsHeader(path, file.bytes, (offset, bytes) =>
        readExactly(file, new Uint8Array(bytes), offset),
      )
      for (const name of expected)
        if (!found.has(name))
          throw new CheckpointError({
            file: path,
            subject: name,
            expected: "the tensor that the index places here",
            found: "none",
          })
      for (const tensor of found.values()) {
        const other = tensors.get(tensor.name)
        if (other !== undefined)
          throw new CheckpointError({
            file: path,
            subject: tensor.name,
            expected: "each tensor once",
            found: `it in ${other.file.path} too`,
          })
        tensors.set(tensor.name, { ...tensor, file })
      }
    }
  } catch (error) {
    close()
    throw error
  }

  const find = (name: string): Located => {
    const tensor = tensors.get(name)
    if (tensor === undefined)
      throw new CheckpointError({ file: dir, subject: name, expected: "this tensor", found: "none of that name" })
    return tensor
  }

  const locate = (name: string, shape: readonly number[]): Located => {
    const tensor = find(name)
    const fail = (expected: string, found: string): never => {
      throw new CheckpointError({ file: tensor.file.path, subject: name, expected, found })
    }
    if (tensor.dtype !== "F32" && tensor.dtype !== "F16" && tensor.dtype !== "BF16")
      return fail("F32, F16 or BF16", tensor.dtype)
    const isShape = tensor.shape.length === shape.length && tensor.shape.every((size, i) => size === shape[i])
    return isShape ? tensor : fail(`shape [${shape.join(", ")}]`, `[${tensor.shape.join(", ")}]`)
  }

  const read = (tensor: Located, firstElement: number, out: Float32Array): Float32Array => {
    const elementBytes = tensor.dtype === "F32" ? 4 : 2
    const perWindow = WINDOW_BYTES / elementBytes
    for (let done = 0; done < out.length; done += perWindow) {
      const count = Math.min(perWindow, out.length - done)
      const bytes = readExactly(
        tensor.file,
        window.subarray(0, count * elementBytes),
        tensor.begin + (firstElement + done) * elementBytes,
      )
      const target = out.subarray(done, done + count)
      if (tensor.dtype === "F32") target.set(new Float32Array(bytes.buffer, bytes.byteOffset, count))
      else
        (tensor.dtype === "BF16" ? bf16ToF32 : f16ToF32)(target, new Uint16Array(bytes.buffer, bytes.byteOffset, count))
      checkFinite(tensor, target)
    }
    return out
  }

  return {
    dir,
    fileBytes: files.reduce((sum, { bytes }) => sum + bytes, 0),
    has: (name) => tensors.has(name),
    shape: (name) => find(name).shape,
    check(name, shape) {
      locate(name, shape)
    },
    readTensor(name, shape, out) {
      const tensor = locate(name, shape)
      const length = shape.reduce((product, size) => product * size, 1)
      return read(tensor, 0, (out ?? new Float32Array(length)).subarray(0, length))
    },
    readRows(name, shape, from, numRows, out) {
      const tensor = locate(name, shape)
      if (from + numRows > shape[0]) throw new RangeError(`${name}: rows ${from} + ${numRows} exceed ${shape[0]}`)
      const length = numRows * shape[1]
      return read(tensor, from * shape[1], (out ?? new Float32Array(length)).subarray(0, length))
    },
    close,
  }
}

/** Reads a JSON object beside the weights. @throws CheckpointError when it is missing or no JSON object */
export function readJsonObject(path: string): Readonly<Record<string, unknown>> {
  let text: string
  try {
    text = readFileSync(path, "utf8")
  } catch (error) {
    throw new CheckpointError({ file: path, expected: "a readable file", found: systemError(error) })
  }
  try {
    const value: unknown = JSON.parse(text)
    if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>
  } catch {
    // Said below, for both.
  }
  throw new CheckpointError({ file: path, expected: "a JSON object", found: JSON.stringify(text.slice(0, 40)) })
}

function weightFiles(dir: string): { path: string; expected: readonly string[] }[] {
  const indexPath = join(dir, INDEX)
  if (!existsSync(indexPath)) return [{ path: join(dir, WEIGHTS), expected: [] }]

  const { weight_map: map } = readJsonObject(indexPath)
  if (typeof map !== "object" || map === null)
    throw new CheckpointError({
      file: indexPath,
      subject: "weight_map",
      expected: "an object",
      found: JSON.stringify(map) ?? "none",
    })
  const byFile = new Map<string, string[]>()
  for (const [name, file] of Object.entries(map)) {
    // The index is not trusted: a shard is a plain file name in this directory.
    if (typeof file !== "string" || !/^[\w][\w.-]*\.safetensors$/.test(file)) {
      throw new CheckpointError({
        file: indexPath,
        subject: name,
        expected: "the name of a .safetensors file beside it",
        found: JSON.stringify(file),
      })
    }
    byFile.set(file, [...(byFile.get(file) ?? []), name])
  }
  return [...byFile].map(([file, expected]) => ({ path: join(dir, file), expected }))
}

function openFile(path: string): WeightFile {
  let handle: number
  try {
    handle = openSync(path, "r")
  } catch (error) {
    throw new CheckpointError({ file: path, expected: "a readable file", found: systemError(error) })
  }
  const status = fstatSync(handle)
  if (status.isFile()) return { path, handle, bytes: status.size }
  closeSync(handle)
  throw new CheckpointError({ file: path, expected: "a readable file", found: "something else of that name" })
}

function readExactly(file: WeightFile, out: Uint8Array, offset: number): Uint8Array {
  let done = 0
  while (done < out.length) {
    const count = readSync(file.handle, out, done, out.length - done, offset + done)
    if (count === 0)
      throw new CheckpointError({
        file: file.path,
        expected: `${out.length} bytes at ${offset}`,
        found: `the file's end after ${done}`,
      })
    done += count
  }
  return out
}

/** A flipped bit often shows as a number that is none. */
function checkFinite({ file, name }: Located, values: Float32Array): void {
  for (let i = 0; i < values.length; i++) {
    if (Number.isFinite(values[i])) continue
    throw new CheckpointError({ file: file.path, subject: name, expected: "finite weights", found: String(values[i]) })
  }
}

function systemError(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? String(error)
}
