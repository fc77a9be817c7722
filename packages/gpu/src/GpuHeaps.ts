import type { BufferId, GpuQueue } from "./GpuQueue.ts"

/** A large buffer that slabs of one size share, so that one dispatch reaches many. */
export interface GpuHeap {
  /** Tells heaps of a device apart. */
  readonly id: number
  /** Another one once the heap has grown: it is read when a command is recorded. */
  readonly buffer: BufferId
}

/** Where a slab lies on the device: it stays there until it is given back, or the device is lost. */
export interface SlabPlace {
  readonly heap: GpuHeap
  /** Its first 32-bit word in the heap. */
  readonly word: number
}

export interface GpuHeaps {
  /** Bytes of the heaps on the device, free places among them. */
  readonly bytes: number
  /** Returns how many slabs of so many bytes have a place without more memory. */
  numFree(slabBytes: number): number
  /** Takes a place for a slab of so many bytes, a multiple of 4. */
  take(slabBytes: number): SlabPlace
  /** Gives a place of this device back; a heap without slabs is destroyed. */
  give(place: SlabPlace): void
}

interface Heap extends GpuHeap {
  buffer: BufferId
  readonly slabBytes: number
  numPlaces: number
  readonly free: number[]
}

/** Most bytes of a heap of several slabs: most layers of experts lie in one or two, and a heap that is half empty wastes little. */
const MAX_HEAP_BYTES = 2 ** 29

/** Of a heap's places, the share that it grows by: so much of it is empty at most, and all copies of what it holds together are some eight times its bytes. */
const GROWTH = 1 / 8

/** Creates heaps without any buffer yet. Those of a device that is gone are forgotten. */
export function createGpuHeaps(queue: GpuQueue): GpuHeaps {
  let heaps: Heap[] = []
  let [generation, numIds] = [0, 0]
  const held = (): Heap[] => {
    if (generation !== queue.generation) heaps = []
    generation = queue.generation
    return heaps
  }
  const heapsOf = (slabBytes: number): Heap[] => held().filter((heap) => heap.slabBytes === slabBytes)
  const addPlaces = (heap: Heap, from: number): void => {
    for (let place = heap.numPlaces - 1; place >= from; place--) heap.free.push(place)
  }
  const create = (slabBytes: number): Heap => {
    const heap: Heap = { id: numIds++, buffer: queue.createBuffer(slabBytes), slabBytes, numPlaces: 1, free: [] }
    addPlaces(heap, 0)
    held().push(heap)
    return heap
  }
  /** Makes room in a heap: a layer's slabs then lie together, however many there will be. */
  const grow = (heap: Heap, mostPlaces: number): Heap => {
    const { buffer, slabBytes, numPlaces } = heap
    heap.numPlaces = Math.min(numPlaces + Math.ceil(numPlaces * GROWTH), mostPlaces)
    heap.buffer = queue.createBuffer(heap.numPlaces * slabBytes)
    queue.copy(buffer, 0, heap.buffer, 0, numPlaces * slabBytes)
    queue.destroyBuffer(buffer)
    addPlaces(heap, numPlaces)
    return heap
  }
  return {
    get bytes() {
      return held().reduce((sum, { slabBytes, numPlaces }) => sum + slabBytes * numPlaces, 0)
    },
    numFree: (slabBytes) => heapsOf(slabBytes).reduce((sum, { free }) => sum + free.length, 0),
    take(slabBytes) {
      const own = heapsOf(slabBytes)
      const mostPlaces = Math.floor(Math.min(queue.adapter.maxBufferBytes, MAX_HEAP_BYTES) / slabBytes)
      const growing = own.find(({ numPlaces }) => numPlaces < mostPlaces)
      const heap =
        own.find(({ free }) => free.length > 0) ??
        (growing === undefined ? create(slabBytes) : grow(growing, mostPlaces))
      return { heap, word: (heap.free.pop()! * slabBytes) / 4 }
    },
    give({ heap, word }) {
      const own = heap as Heap
      own.free.push((word * 4) / own.slabBytes)
      if (own.free.length < own.numPlaces) return
      queue.destroyBuffer(own.buffer)
      heaps.splice(heaps.indexOf(own), 1)
    },
  }
}
