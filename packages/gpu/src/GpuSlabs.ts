import type { Arena, Slab, SlabLayout, Span } from "@consilium/kernels"
import { createGpuHeaps, type HeapPlace } from "./GpuHeaps.ts"
import type { BufferId, GpuQueue } from "./GpuQueue.ts"
import type { GpuSlab } from "./GpuSlab.ts"

/** The open slabs, and where they lie. Calls record commands: their caller begins and runs. */
export interface GpuSlabs {
  /** Bytes that slabs and their tables hold on the device. */
  readonly bytes: number
  /** Returns how many slabs of so many bytes can be opened without more memory. */
  numFree(slabBytes: number): number
  /** Uploads a slab. @throws Error when the layout does not fit the span, or the adapter's buffers */
  open(span: Span, layout: SlabLayout): GpuSlab
  /** Forgets a slab; gives its place back where the device still holds it. @throws Error on a slab that is not open */
  close(slab: Slab): void
  /** Returns where a slab lies on the device that is open now; uploads it where it does not. @throws Error on a slab that is not open */
  placeOf(slab: Slab): HeapPlace
  /** Returns a buffer `[numSlabs, 2]` of where slabs lie: the heap's id, and the first word in it. It is written when first asked for, and when it changes. */
  tableOf(slabs: readonly Slab[]): BufferId
  /** Forgets all slabs. */
  clear(): void
}

interface Table {
  readonly buffer: BufferId
  readonly values: Uint32Array
  readonly generation: number
}

/** Most bytes of a heap of slabs: most layers of experts lie in one or two, and a heap that is half empty wastes little. */
const MAX_HEAP_BYTES = 2 ** 29

/** Creates the set of slabs of an arena, empty. */
export function createGpuSlabs(queue: GpuQueue, arena: Arena): GpuSlabs {
  const heaps = createGpuHeaps(queue, MAX_HEAP_BYTES)
  const open = new Set<GpuSlab>()
  /** By the first slab, whose end is theirs. */
  const tables = new Map<Slab, Table>()
  const isHeld = ({ generation }: { readonly generation: number }): boolean =>
    generation === queue.generation && !queue.isLost

  const upload = (span: Span, { bytes }: SlabLayout): HeapPlace => {
    const place = heaps.take(bytes)
    queue.write(place.heap.buffer, arena.address(span), bytes, place.word * 4)
    return place
  }
  const opened = (slab: Slab): GpuSlab => {
    if (!open.has(slab as GpuSlab)) throw new Error("gpu: this slab is not open")
    return slab as GpuSlab
  }
  const placeOf = (slab: Slab): HeapPlace => {
    const own = opened(slab)
    if (own.generation !== queue.generation) {
      own.place = upload(own.span, own.layout)
      own.generation = queue.generation
    }
    return own.place
  }
  const dropTable = (slab: Slab): void => {
    const table = tables.get(slab)
    if (table !== undefined && isHeld(table)) queue.destroyBuffer(table.buffer)
    tables.delete(slab)
  }
  return {
    get bytes() {
      const held = [...tables.values()].filter(isHeld)
      return held.reduce((sum, { values }) => sum + values.byteLength, heaps.bytes)
    },
    numFree: heaps.numFree,
    open(span, layout) {
      const { maxBufferBytes } = queue.adapter
      if (span.bytes < layout.bytes)
        throw new Error(`gpu: a slab of ${layout.bytes} bytes does not fit a span of ${span.bytes}`)
      if (layout.bytes > maxBufferBytes)
        throw new Error(`gpu: a slab of ${layout.bytes} bytes is larger than the adapter's buffers, ${maxBufferBytes}`)
      const place = upload(span, layout)
      const slab: GpuSlab = {
        backend: "gpu",
        layout,
        readsArena: true,
        span,
        place,
        generation: queue.generation,
      }
      open.add(slab)
      return slab
    },
    close(slab) {
      const own = opened(slab)
      open.delete(own)
      dropTable(own)
      if (isHeld(own)) heaps.give(own.place)
    },
    placeOf,
    tableOf(slabs) {
      const first = slabs[0]!
      const values = new Uint32Array(2 * slabs.length)
      for (const [e, slab] of slabs.entries()) {
        const { heap, word } = placeOf(slab)
        values[2 * e] = heap.id
        values[2 * e + 1] = word
      }
      const known = tables.get(first)
      if (known !== undefined && isHeld(known) && areEqual(known.values, values)) return known.buffer
      dropTable(first)
      const table: Table = { buffer: queue.createBuffer(values.byteLength), values, generation: queue.generation }
      queue.writeValues(table.buffer, values)
      tables.set(first, table)
      return table.buffer
    },
    clear() {
      open.clear()
      tables.clear()
    },
  }
}

function areEqual(a: Uint32Array, b: Uint32Array): boolean {
  return a.length === b.length && a.every((value, i) => value === b[i])
}
