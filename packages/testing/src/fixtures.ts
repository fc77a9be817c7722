import { existsSync, readFileSync } from "node:fs"
import { join } from "node:path"

const repository = join(import.meta.dir, "../../..")

/** Returns the path of a file or folder under the repository's `fixtures/`. */
export function fixturePath(...parts: string[]): string {
  return join(repository, "fixtures", ...parts)
}

/** Returns the directory of the embedded model. */
export function miniModelDir(): string {
  return join(repository, "models/consilium-mini")
}

/**
 * Returns a path under `../shared` beside the repository, or undefined, with a printed reason, where it is absent.
 *
 * Tests that need it skip then: a clone does not have it.
 */
export function sharedPath(...parts: string[]): string | undefined {
  const path = join(repository, "../shared", ...parts)
  if (existsSync(path)) return path
  console.log(`skipped: ../shared/${parts.join("/")} is not here (a clone has fixtures/ only)`)
  return undefined
}

/** A tensor of a golden file. */
export interface FixtureTensor {
  readonly shape: readonly number[]
  readonly values: Float32Array | Int32Array
}

/**
 * Reads every f32 and i32 tensor of a golden safetensors file.
 *
 * A reader for trusted test files, independent of the product's own, which it helps to check.
 */
export function readFixtureTensors(path: string): Map<string, FixtureTensor> {
  const bytes = readFileSync(path)
  const headerBytes = Number(bytes.readBigUInt64LE(0))
  const header = JSON.parse(bytes.toString("utf8", 8, 8 + headerBytes)) as Record<
    string,
    { dtype: string; shape: number[]; data_offsets: [number, number] }
  >
  const tensors = new Map<string, FixtureTensor>()
  for (const [name, { dtype, shape, data_offsets }] of Object.entries(header)) {
    if (name === "__metadata__") continue
    const [from, to] = data_offsets
    const data = bytes.buffer.slice(bytes.byteOffset + 8 + headerBytes + from, bytes.byteOffset + 8 + headerBytes + to)
    if (dtype === "F32") tensors.set(name, { shape, values: new Float32Array(data) })
    else if (dtype === "I32") tensors.set(name, { shape, values: new Int32Array(data) })
    else throw new Error(`${path}: ${name} is ${dtype}, expected F32 or I32`)
  }
  return tensors
}

/** Reads a golden JSON file. */
export function readFixtureJson<T>(path: string): T {
  return JSON.parse(readFileSync(path, "utf8")) as T
}
