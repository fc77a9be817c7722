import { closeSync, openSync, readSync } from "node:fs"
import { basename } from "node:path"

const PIECE_BYTES = 2 ** 24

/** Hashes files by their names and all of their bytes: 16 digits, the same wherever they lie. */
export function hashFiles(paths: readonly string[]): string {
  const hasher = new Bun.CryptoHasher("sha256")
  const piece = new Uint8Array(PIECE_BYTES)
  for (const path of paths.toSorted()) {
    hasher.update(`${basename(path)}\0`)
    const file = openSync(path, "r")
    try {
      for (let length = 0; (length = readSync(file, piece)) > 0;) hasher.update(piece.subarray(0, length))
    } finally {
      closeSync(file)
    }
  }
  return hasher.digest("hex").slice(0, 16)
}
