import { type Arena, cacheMemory, cacheRowBytes, type CacheRows } from "@consilium/kernels"
import type { BufferId, GpuQueue } from "./GpuQueue.ts"

/** The arena's rows on the device: who has which in its newer form, and what travels. */
export interface DeviceRows {
  /** Bytes that they hold on the device. */
  readonly bytes: number
  /** Whether anything lies on the device alone. */
  readonly hasState: boolean
  /** Returns a buffer with the first rows, uploaded where the arena is newer. */
  input(rows: CacheRows, numRows: number): BufferId
  /** Returns the buffer whose first rows are about to be written, all of them. */
  output(rows: CacheRows): BufferId
  /** Returns a buffer with the first rows, of which some are about to be written. */
  update(rows: CacheRows, numRows: number): BufferId
  /** Returns the buffer of keys or values, which stay on the device from step to step; what the arena has is uploaded where it counts and is newer. */
  state(rows: CacheRows, counts: boolean): BufferId
  /** Records the copy of rows to others of the same width and format; to a cache where they are one. */
  copy(to: CacheRows, toRow: number, from: CacheRows, fromRow: number, numRows: number): void
  /** Whether the device has what the arena has not. */
  isNewer(rows: CacheRows): boolean
  /** Records the copy of rows to the arena, where the device is newer. */
  read(rows: CacheRows, firstRow: number, numRows: number): void
  /** Says that the arena is newer. */
  wrote(rows: CacheRows): void
  /** The arena counts again, except of keys and values. */
  settle(): void
  /** Forgets everything: the device that held it is gone. */
  forget(): void
}

/** A matrix' buffer. */
interface Mirror {
  readonly buffer: BufferId
  /** The view that names the matrix: another one of the same span is another matrix. */
  readonly memory: Float32Array | Int32Array
  readonly bytes: number
  /** Whether the device has what the arena has not. */
  isNewer: boolean
  /** Rows that both have, from the first on, where it has not. */
  numUploaded: number
  isState: boolean
}

/** Above any offset: segments have at most 2 GiB. */
const SEGMENT = 2 ** 40

export function createDeviceRows(queue: GpuQueue, arena: Arena): DeviceRows {
  const mirrors = new Map<number, Mirror>()
  let bytes = 0

  const mirrorOf = (rows: CacheRows): Mirror => {
    const { span } = rows
    const memory = cacheMemory(rows)
    const key = keyOf(span)
    const known = mirrors.get(key)
    if (known?.memory === memory) return known
    // Its memory was given back, and is another matrix now.
    if (known !== undefined) {
      queue.destroyBuffer(known.buffer)
      bytes -= known.bytes
    }
    const buffer = queue.createBuffer(span.bytes)
    const mirror = { buffer, memory, bytes: span.bytes, isNewer: false, numUploaded: 0, isState: false }
    mirrors.set(key, mirror)
    bytes += span.bytes
    return mirror
  }
  const uploaded = (rows: CacheRows, numRows: number): Mirror => {
    const mirror = mirrorOf(rows)
    if (mirror.isNewer || mirror.numUploaded >= numRows) return mirror
    queue.write(mirror.buffer, arena.address(rows.span), numRows * cacheRowBytes(rows))
    mirror.numUploaded = numRows
    return mirror
  }

  return {
    get bytes() {
      return bytes
    },
    get hasState() {
      return mirrors.values().some(({ isNewer }) => isNewer)
    },
    input: (rows, numRows) => uploaded(rows, numRows).buffer,
    output(rows) {
      const mirror = mirrorOf(rows)
      mirror.isNewer = true
      return mirror.buffer
    },
    update(rows, numRows) {
      const mirror = uploaded(rows, numRows)
      mirror.isNewer = true
      return mirror.buffer
    },
    state(rows, counts) {
      const mirror = counts ? uploaded(rows, rows.span.bytes / cacheRowBytes(rows)) : mirrorOf(rows)
      mirror.isNewer = mirror.isState = true
      return mirror.buffer
    },
    copy(to, toRow, from, fromRow, numRows) {
      const source = uploaded(from, fromRow + numRows)
      const target = uploaded(to, toRow)
      const size = cacheRowBytes(from)
      target.isNewer = true
      target.isState ||= source.isState
      const isSame = source === target
      // A buffer is not copied to itself.
      const between = isSame ? queue.createBuffer(numRows * size) : source.buffer
      if (isSame) queue.copy(source.buffer, fromRow * size, between, 0, numRows * size)
      queue.copy(between, isSame ? 0 : fromRow * size, target.buffer, toRow * size, numRows * size)
      if (isSame) queue.destroyBuffer(between)
    },
    isNewer(rows) {
      const mirror = mirrors.get(keyOf(rows.span))
      return mirror?.memory === cacheMemory(rows) && mirror.isNewer
    },
    read(rows, firstRow, numRows) {
      const mirror = mirrorOf(rows)
      if (!mirror.isNewer || numRows === 0) return
      const size = cacheRowBytes(rows)
      queue.read(mirror.buffer, firstRow * size, arena.address(rows.span) + firstRow * size, numRows * size)
    },
    wrote(rows) {
      const mirror = mirrorOf(rows)
      mirror.isNewer = false
      mirror.numUploaded = 0
    },
    settle() {
      for (const mirror of mirrors.values()) {
        if (mirror.isState) continue
        mirror.isNewer = false
        mirror.numUploaded = 0
      }
    },
    forget() {
      mirrors.clear()
      bytes = 0
    },
  }
}

function keyOf({ segment, offset }: CacheRows["span"]): number {
  return segment * SEGMENT + offset
}
