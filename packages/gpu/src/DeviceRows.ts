import { type Arena, cacheMemory, cacheRowBytes, type CacheRows } from "@consilium/kernels"
import { createGpuHeaps, type HeapPlace } from "./GpuHeaps.ts"
import type { BufferId, GpuQueue } from "./GpuQueue.ts"
import type { GpuScratch } from "./GpuScratch.ts"

/** What a matrix is to the device: rows of a step, or keys or values. */
type RowsUse = "rows" | "keys" | "values"

/** The arena's rows on the device: who has which in its newer form, and what travels. */
export interface DeviceRows {
  /** Bytes that they hold on the device. */
  readonly bytes: number
  /** Whether anything lies on the device alone. */
  readonly hasState: boolean
  /** Returns a buffer with the first rows, uploaded where the arena is newer. @throws Error on keys and values, as `output` and `update` do */
  input(rows: CacheRows, numRows: number): BufferId
  /** Returns the buffer whose first rows are about to be written, all of them. */
  output(rows: CacheRows): BufferId
  /** Returns a buffer with the first rows, of which some are about to be written. */
  update(rows: CacheRows, numRows: number): BufferId
  /** Returns the place of keys or values, which stay on the device from step to step; what the arena has is uploaded where it counts and is newer. */
  state(use: Exclude<RowsUse, "rows">, rows: CacheRows, counts: boolean): HeapPlace
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

/** A matrix on the device. */
interface Mirror {
  use: RowsUse
  /** Keys and values lie in heaps, rows in a buffer of their own. */
  place: HeapPlace
  /** The view that names the matrix: another one of the same span is another matrix. */
  readonly memory: Float32Array | Int32Array
  readonly bytes: number
  /** Whether the device has what the arena has not. */
  isNewer: boolean
  /** Rows that both have, from the first on, where it has not. */
  numUploaded: number
}

/** Above any offset: segments have at most 2 GiB. */
const SEGMENT = 2 ** 40
/** Most bytes of a heap of keys or values: one dispatch then reaches many slots. */
const MAX_HEAP_BYTES = 2 ** 31
/** In place of a heap's id, where a buffer is one matrix alone. */
const NO_HEAP = -1

/** Creates the set of an arena's rows, empty. */
export function createDeviceRows(queue: GpuQueue, arena: Arena, scratch: GpuScratch): DeviceRows {
  const mirrors = new Map<number, Mirror>()
  // No kernel may bind one buffer twice that it writes.
  const heaps = { keys: createGpuHeaps(queue, MAX_HEAP_BYTES), values: createGpuHeaps(queue, MAX_HEAP_BYTES) }
  let rowsBytes = 0

  const takePlace = (use: RowsUse, bytes: number): HeapPlace => {
    if (use !== "rows") return heaps[use].take(bytes)
    rowsBytes += bytes
    return { heap: { id: NO_HEAP, buffer: queue.createBuffer(bytes) }, word: 0 }
  }
  const givePlace = ({ use, place, bytes }: Mirror): void => {
    if (use !== "rows") return heaps[use].give(place)
    rowsBytes -= bytes
    queue.destroyBuffer(place.heap.buffer)
  }
  const knownOf = (rows: CacheRows): Mirror | undefined => {
    const known = mirrors.get(keyOf(rows.span))
    return known?.memory === cacheMemory(rows) ? known : undefined
  }
  /** Returns where a matrix is, whatever it is to the device; one that is new there is `use`. */
  const mirrorOf = (rows: CacheRows, use: RowsUse): Mirror => {
    const known = knownOf(rows)
    if (known !== undefined) return known
    const key = keyOf(rows.span)
    const former = mirrors.get(key)
    // Its memory was given back, and is another matrix now.
    if (former !== undefined) givePlace(former)
    const { bytes } = rows.span
    const place = takePlace(use, bytes)
    const mirror = { use, place, memory: cacheMemory(rows), bytes, isNewer: false, numUploaded: 0 }
    mirrors.set(key, mirror)
    return mirror
  }
  const uploaded = (rows: CacheRows, numRows: number, use: RowsUse): Mirror => {
    const mirror = mirrorOf(rows, use)
    if (mirror.isNewer || mirror.numUploaded >= numRows) return mirror
    const { heap, word } = mirror.place
    queue.write(heap.buffer, arena.address(rows.span), numRows * cacheRowBytes(rows), word * 4)
    mirror.numUploaded = numRows
    return mirror
  }
  const copyBytes = (to: HeapPlace, toByte: number, from: HeapPlace, fromByte: number, bytes: number): void => {
    const [target, targetByte] = [to.heap.buffer, to.word * 4 + toByte]
    const [source, sourceByte] = [from.heap.buffer, from.word * 4 + fromByte]
    if (target !== source) return queue.copy(source, sourceByte, target, targetByte, bytes)
    // A buffer is not copied to itself.
    const between = scratch.take("copied", bytes)
    queue.copy(source, sourceByte, between, 0, bytes)
    queue.copy(between, 0, target, targetByte, bytes)
  }
  /** Moves what turns out to be keys or values to a heap of such. */
  const moveTo = (mirror: Mirror, use: RowsUse): void => {
    if (mirror.use === use) return
    const former = { ...mirror }
    mirror.place = takePlace(use, mirror.bytes)
    mirror.use = use
    if (mirror.isNewer || mirror.numUploaded > 0) copyBytes(mirror.place, 0, former.place, 0, mirror.bytes)
    givePlace(former)
  }
  const bufferOf = ({ use, place }: Mirror): BufferId => {
    if (use !== "rows") throw new Error(`gpu: expected rows, found ${use}: only attention and copies take these`)
    return place.heap.buffer
  }

  return {
    get bytes() {
      return rowsBytes + heaps.keys.bytes + heaps.values.bytes
    },
    get hasState() {
      return mirrors.values().some(({ isNewer }) => isNewer)
    },
    input: (rows, numRows) => bufferOf(uploaded(rows, numRows, "rows")),
    output(rows) {
      const mirror = mirrorOf(rows, "rows")
      mirror.isNewer = true
      return bufferOf(mirror)
    },
    update(rows, numRows) {
      const mirror = uploaded(rows, numRows, "rows")
      mirror.isNewer = true
      return bufferOf(mirror)
    },
    state(use, rows, counts) {
      const mirror = counts ? uploaded(rows, rows.span.bytes / cacheRowBytes(rows), use) : mirrorOf(rows, use)
      moveTo(mirror, use)
      mirror.isNewer = true
      return mirror.place
    },
    copy(to, toRow, from, fromRow, numRows) {
      const source = uploaded(from, fromRow + numRows, "rows")
      const target = uploaded(to, toRow, source.use)
      if (source.use !== "rows") moveTo(target, source.use)
      target.isNewer = true
      const size = cacheRowBytes(from)
      copyBytes(target.place, toRow * size, source.place, fromRow * size, numRows * size)
    },
    isNewer: (rows) => knownOf(rows)?.isNewer === true,
    read(rows, firstRow, numRows) {
      const mirror = knownOf(rows)
      if (mirror?.isNewer !== true || numRows === 0) return
      const size = cacheRowBytes(rows)
      const { heap, word } = mirror.place
      const address = arena.address(rows.span) + firstRow * size
      queue.read(heap.buffer, word * 4 + firstRow * size, address, numRows * size)
    },
    wrote(rows) {
      const mirror = knownOf(rows)
      if (mirror === undefined) return
      mirror.isNewer = false
      mirror.numUploaded = 0
    },
    settle() {
      for (const mirror of mirrors.values()) {
        if (mirror.use !== "rows") continue
        mirror.isNewer = false
        mirror.numUploaded = 0
      }
    },
    forget() {
      mirrors.clear()
      rowsBytes = 0
    },
  }
}

function keyOf({ segment, offset }: CacheRows["span"]): number {
  return segment * SEGMENT + offset
}
