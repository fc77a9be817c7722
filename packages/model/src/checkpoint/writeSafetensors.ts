import { closeSync, openSync, renameSync, rmSync, writeSync } from "node:fs"

/** A tensor to write: row-major values of float32 or int32. */
export interface NamedTensor {
  readonly name: string
  readonly shape: readonly number[]
  readonly values: Float32Array | Int32Array
}

/** Writes a safetensors file, whole or not at all. @throws the system's error, such as ENOSPC, with nothing left behind */
export function writeSafetensors(path: string, tensors: readonly NamedTensor[]): void {
  const header: Record<string, unknown> = {}
  let offset = 0
  for (const { name, shape, values } of tensors) {
    const dtype = values instanceof Float32Array ? "F32" : "I32"
    header[name] = { dtype, shape, data_offsets: [offset, offset + values.byteLength] }
    offset += values.byteLength
  }
  const text = JSON.stringify(header)
  const json = Buffer.from(text + " ".repeat((8 - (Buffer.byteLength(text) % 8)) % 8))
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(json.length))

  const partial = `${path}.partial-${process.pid}`
  try {
    const file = openSync(partial, "w")
    try {
      const write = (bytes: Uint8Array): void => {
        for (let at = 0; at < bytes.length;) at += writeSync(file, bytes, at)
      }
      write(length)
      write(json)
      for (const { values } of tensors) write(new Uint8Array(values.buffer, values.byteOffset, values.byteLength))
    } finally {
      closeSync(file)
    }
    renameSync(partial, path)
  } catch (error) {
    rmSync(partial, { force: true })
    throw error
  }
}
