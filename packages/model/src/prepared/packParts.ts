import { writeSync } from "node:fs"
import { checksumOf, PART_ALIGNMENT } from "./Manifest.ts"
import type { StoredPart } from "./storedParts.ts"

/** What threads share that pack one model: each takes the next part that none has taken. */
export interface PackTable {
  /** Parts taken; at or past their number there is nothing more to do. */
  readonly taken: Int32Array
  /** Per part: 1 when it is in the file. */
  readonly isDone: Uint8Array
  readonly checksums: BigUint64Array
}

/** Creates a table of nothing done. */
export function createPackTable(numParts: number): PackTable {
  return {
    taken: new Int32Array(new SharedArrayBuffer(4)),
    isDone: new Uint8Array(new SharedArrayBuffer(numParts)),
    checksums: new BigUint64Array(new SharedArrayBuffer(numParts * 8)),
  }
}

/** Packs parts of a model into its file. */
export interface PartPacker {
  /** Packs a part that no other thread has taken; false when there is none. @throws CheckpointError and what writing throws */
  packNext(): boolean
  /** Packs this part, whoever has taken it. @throws as `packNext` */
  pack(part: number): void
}

/**
 * Creates what packs `parts` into an open file, each at its place.
 *
 * Holds memory for the largest part that it has met, and its weights in f32 meanwhile.
 */
export function createPartPacker(parts: readonly StoredPart[], handle: number, table: PackTable): PartPacker {
  const offsets = partOffsets(parts)
  let buffer = new Uint8Array()

  const pack = (part: number): void => {
    const { bytes, write } = parts[part]!
    const padded = alignPart(bytes)
    if (buffer.length < padded) buffer = new Uint8Array(padded)
    const slot = buffer.subarray(0, padded).fill(0)
    write(slot)
    for (let done = 0; done < padded;) done += writeSync(handle, slot, done, padded - done, offsets[part]! + done)
    table.checksums[part] = checksumOf(slot.subarray(0, bytes))
    Atomics.store(table.isDone, part, 1)
  }
  return {
    pack,
    packNext() {
      const part = Atomics.add(table.taken, 0, 1)
      if (part >= parts.length) return false
      pack(part)
      return true
    },
  }
}

/** Returns where parts begin in their file: one after the other, each on a page. */
export function partOffsets(parts: readonly StoredPart[]): number[] {
  let end = 0
  return parts.map(({ bytes }) => {
    const offset = end
    end += alignPart(bytes)
    return offset
  })
}

/** Bytes that a part takes in the file. */
export function alignPart(bytes: number): number {
  return Math.ceil(bytes / PART_ALIGNMENT) * PART_ALIGNMENT
}
