import type { BufferId, GpuQueue } from "./GpuQueue.ts"

/** A large buffer that what has one size shares, slabs or caches, so that one dispatch reaches many. */
export interface GpuHeap {
  /** Tells heaps of a device apart. */
  readonly id: number
  /** Another one once the heap has grown: it is read when a command is recorded. */
  readonly buffer: BufferId
}

/** Where a slab or a cache lies on the device: it stays there until it is given back, or the device is lost. */
export interface HeapPlace {
  readonly heap: GpuHeap
  /** Its first 32-bit word in the heap. */
  readonly word: number
}

export interface GpuHeaps {
  /** Bytes of the heaps on the device, free places among them. */
  readonly bytes: number
  /** Returns how many places of so many bytes there are without more memory. */
  numFree(placeBytes: number): number
  /** Takes a place of so many bytes, a multiple of 4. What lay there before is not cleared. */
  take(placeBytes: number): HeapPlace
  /** Gives a place of this device back; a heap of which no place is taken is destroyed. */
  give(place: HeapPlace): void
}

interface Heap extends GpuHeap {
  buffer: BufferId
  readonly placeBytes: number
  numPlaces: number
  readonly free: number[]
}

/** Of a heap's places, the share that it grows by: so much of it is empty at most, and all copies of what it holds together are some eight times its bytes. */
const GROWTH = 1 / 8

/**
 * Creates heaps without any buffer yet. Those of a device that is gone are forgotten.
 *
 * @param mostBytes of a heap of several places, as far as the adapter's buffers go
 */
export function createGpuHeaps(queue: GpuQueue, mostBytes: number): GpuHeaps {
  let heaps: Heap[] = []
  let [generation, numIds] = [0, 0]
  const held = (): Heap[] => {
    if (generation !== queue.generation) heaps = []
    generation = queue.generation
    return heaps
  }
  const heapsOf = (placeBytes: number): Heap[] => held().filter((heap) => heap.placeBytes === placeBytes)
  const addPlaces = (heap: Heap, from: number): void => {
    for (let place = heap.numPlaces - 1; place >= from; place--) heap.free.push(place)
  }
  const create = (placeBytes: number): Heap => {
    const heap: Heap = { id: numIds++, buffer: queue.createBuffer(placeBytes), placeBytes, numPlaces: 1, free: [] }
    addPlaces(heap, 0)
    held().push(heap)
    return heap
  }
  /** Makes room in a heap: what one dispatch reads then lies together, however much there will be. */
  const grow = (heap: Heap, mostPlaces: number): Heap => {
    const { buffer, placeBytes, numPlaces } = heap
    heap.numPlaces = Math.min(numPlaces + Math.ceil(numPlaces * GROWTH), mostPlaces)
    heap.buffer = queue.createBuffer(heap.numPlaces * placeBytes)
    queue.copy(buffer, 0, heap.buffer, 0, numPlaces * placeBytes)
    queue.destroyBuffer(buffer)
    addPlaces(heap, numPlaces)
    return heap
  }
  return {
    get bytes() {
      return held().reduce((sum, { placeBytes, numPlaces }) => sum + placeBytes * numPlaces, 0)
    },
    numFree: (placeBytes) => heapsOf(placeBytes).reduce((sum, { free }) => sum + free.length, 0),
    take(placeBytes) {
      const own = heapsOf(placeBytes)
      const mostPlaces = Math.floor(Math.min(queue.adapter.maxBufferBytes, mostBytes) / placeBytes)
      const growing = own.find(({ numPlaces }) => numPlaces < mostPlaces)
      const heap =
        own.find(({ free }) => free.length > 0) ??
        (growing === undefined ? create(placeBytes) : grow(growing, mostPlaces))
      return { heap, word: (heap.free.pop()! * placeBytes) / 4 }
    },
    give({ heap, word }) {
      const own = heap as Heap
      own.free.push((word * 4) / own.placeBytes)
      if (own.free.length < own.numPlaces) return
      queue.destroyBuffer(own.buffer)
      heaps.splice(heaps.indexOf(own), 1)
    },
  }
}
