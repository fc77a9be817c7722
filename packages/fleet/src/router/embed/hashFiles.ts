import { closeSync, openSync, readdirSync, readSync } from "node:fs"
import { join } from "node:path"

const PIECE_BYTES = 2 ** 24

/** Hashes the files of a directory that `isWanted` names, by their names and all of their bytes: 16 digits, the same wherever they lie. */
export function hashFiles(dir: string, isWanted: (name: string) => boolean): string {
  const hasher = new Bun.CryptoHasher("sha256")
  const piece = new Uint8Array(PIECE_BYTES)
  for (const name of readdirSync(dir).filter(isWanted).sort()) {
    hasher.update(`${name}\0`)
    const file = openSync(join(dir, name), "r")
    try {
      for (let length = 0; (length = readSync(file, piece)) > 0;) hasher.update(piece.subarray(0, length))
    } finally {
      closeSync(file)
    }
  }
  return hasher.digest("hex").slice(0, 16)
}
