import { closeSync, fsyncSync, openSync, rmSync, writeSync } from "node:fs"

/** Bytes of one write: a multiple of every unit (2, 4 and 18 bytes). */
const CHUNK_BYTES = 36 * 2 ** 18

/** A tensor that is made as it is written. */
export interface TensorBytes {
  readonly numBytes: number
  /** Writes the bytes from `offset` on; called in order, once for each byte. */
  fill(out: Uint8Array, offset: number): void
}

export interface WriteOptions {
  /** Stops between two writes; nothing is left behind. */
  readonly signal?: AbortSignal | undefined
  /** Called with bytes written so far and in all. */
  readonly onProgress?: ((doneBytes: number, totalBytes: number) => void) | undefined
}

/**
 * Writes a header and tensors one after another, each padded to `alignment`; holds one chunk of them at a time.
 *
 * @throws the system's error (ENOSPC), or the signal's reason, with nothing left behind
 */
export async function writeTensorFile(
  path: string,
  header: Uint8Array,
  tensors: readonly TensorBytes[],
  { alignment, signal, onProgress }: WriteOptions & { readonly alignment: number },
): Promise<void> {
  const padded = (bytes: number): number => Math.ceil(bytes / alignment) * alignment
  const totalBytes = header.length + tensors.reduce((sum, { numBytes }) => sum + padded(numBytes), 0)
  const chunk = new Uint8Array(CHUNK_BYTES)
  let doneBytes = 0
  const file = openSync(path, "wx")
  const write = (bytes: Uint8Array): void => {
    for (let at = 0; at < bytes.length;) at += writeSync(file, bytes, at)
    doneBytes += bytes.length
  }
  try {
    write(header)
    for (const { numBytes, fill } of tensors) {
      for (let offset = 0; offset < numBytes; offset += CHUNK_BYTES) {
        signal?.throwIfAborted()
        const part = chunk.subarray(0, Math.min(CHUNK_BYTES, numBytes - offset))
        fill(part, offset)
        write(part)
        onProgress?.(doneBytes, totalBytes)
        // Lets Ctrl-C arrive.
        await new Promise((done) => setImmediate(done))
      }
      write(new Uint8Array(padded(numBytes) - numBytes))
    }
    // What is measured next shall not share the disk with this.
    fsyncSync(file)
  } catch (error) {
    rmSync(path, { force: true })
    throw error
  } finally {
    closeSync(file)
  }
}
