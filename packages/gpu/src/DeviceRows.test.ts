import { afterEach, beforeEach, describe, expect, test } from "bun:test"
import { type Arena, createArena, type Rows } from "@consilium/kernels"
import { createDeviceRows, type DeviceRows } from "./DeviceRows.ts"
import type { HeapPlace } from "./GpuHeaps.ts"
import type { GpuQueue } from "./GpuQueue.ts"
import { createGpuScratch } from "./GpuScratch.ts"

const [NUM_ROWS, WIDTH] = [4, 4]
const BYTES = NUM_ROWS * WIDTH * 4

/** A queue that carries out copies at once, in buffers of numbers. */
function createFakeQueue(arena: Arena) {
  const buffers = new Map<number, Float32Array>()
  /** Arena rows by address: what is written is taken from there. */
  const memory = new Map<number, Float32Array>()
  let numIds = 0
  const queue = {
    generation: 1,
    adapter: { maxBufferBytes: 8 * BYTES },
    buffers,
    createBuffer(bytes: number) {
      buffers.set(numIds, new Float32Array(bytes / 4))
      return numIds++
    },
    destroyBuffer: (buffer: number) => void buffers.delete(buffer),
    write: (buffer: number, address: number, bytes: number, offset = 0) =>
      buffers.get(buffer)!.set(memory.get(address)!.subarray(0, bytes / 4), offset / 4),
    copy(from: number, fromOffset: number, to: number, toOffset: number, bytes: number) {
      if (from === to) throw new Error("a buffer was copied to itself")
      buffers.get(to)!.set(buffers.get(from)!.subarray(fromOffset / 4, (fromOffset + bytes) / 4), toOffset / 4)
    },
    read: (buffer: number, offset: number, address: number, bytes: number) =>
      void found.push(buffers.get(buffer)!.slice(offset / 4, (offset + bytes) / 4), Float32Array.of(address)),
  }
  const found: Float32Array[] = []
  const takeRows = (): Rows => {
    const rows = arena.rows(NUM_ROWS, WIDTH)
    memory.set(arena.address(rows.span), rows.values)
    return rows
  }
  return { queue, found, takeRows }
}

describe("DeviceRows", () => {
  let arena!: Arena
  let fake!: ReturnType<typeof createFakeQueue>
  let rows!: DeviceRows
  beforeEach(() => {
    arena = createArena()
    fake = createFakeQueue(arena)
    const queue = fake.queue as unknown as GpuQueue
    rows = createDeviceRows(queue, arena, createGpuScratch(queue))
  })
  afterEach(() => arena.close())

  const held = ({ heap, word }: HeapPlace): Float32Array =>
    fake.queue.buffers.get(heap.buffer)!.subarray(word, word + NUM_ROWS * WIDTH)
  const filled = (value: number): Float32Array => new Float32Array(NUM_ROWS * WIDTH).fill(value)
  /** Keys that the device has, all of one value. */
  const takeState = (value: number) => {
    const keys = fake.takeRows()
    keys.values.fill(value)
    return { keys, place: rows.state("keys", keys, true) }
  }
  const deviceBytes = (): number => [...fake.queue.buffers.values()].reduce((sum, of) => sum + of.byteLength, 0)

  test("keys share a heap and keep what they are while it grows; values never lie in the same", () => {
    const states = Array.from({ length: 8 }, (_, i) => takeState(i + 1))
    expect(new Set(states.map(({ place }) => place.heap)).size).toBe(1)
    for (const [i, { place }] of states.entries()) expect(held(place)).toEqual(filled(i + 1))
    expect(takeState(9).place.heap).not.toBe(states[0]!.place.heap)
    const values = rows.state("values", fake.takeRows(), false)
    expect(values.heap.buffer).not.toBe(states[0]!.place.heap.buffer)
    expect(rows.bytes).toBe(deviceBytes())
  })

  test("a prefix is copied within a heap, to others of it that were never seen, and within one cache", () => {
    const { keys, place } = takeState(3)
    const other = fake.takeRows()
    rows.copy(other, 0, keys, 0, 2)
    const copied = rows.state("keys", other, true)
    expect(copied.heap).toBe(place.heap)
    expect(held(copied)).toEqual(Float32Array.from({ length: 16 }, (_, i) => (i < 8 ? 3 : 0)))
    rows.copy(other, 3, other, 1, 1)
    expect(held(copied)).toEqual(Float32Array.from({ length: 16 }, (_, i) => (i < 8 || i >= 12 ? 3 : 0)))
    expect(held(place)).toEqual(filled(3))
  })

  test("rows that turn out to be keys move to a heap with what they hold, and what attention keeps outlives a step", () => {
    const [from, to] = [fake.takeRows(), fake.takeRows()]
    from.values.fill(7)
    rows.copy(to, 0, from, 0, NUM_ROWS)
    const place = rows.state("keys", to, true)
    expect(held(place)).toEqual(filled(7))
    rows.settle()
    expect([rows.isNewer(to), rows.isNewer(from)]).toEqual([true, false])
    rows.read(to, 1, 2)
    expect(fake.found).toEqual([new Float32Array(8).fill(7), Float32Array.of(arena.address(to.span) + 16)])
    expect(() => rows.input(to, 1)).toThrow("expected rows, found keys")
  })

  test("memory that was given back and is another matrix now gives its place back", () => {
    const { keys } = takeState(1)
    const { bytes } = rows
    arena.free(keys.span)
    const again = fake.takeRows()
    expect(again.span.offset).toBe(keys.span.offset)
    again.values.fill(2)
    expect(held(rows.state("keys", again, true))).toEqual(filled(2))
    expect(rows.bytes).toBe(bytes)
    arena.free(again.span)
    const plain = fake.takeRows()
    rows.input(plain, 1)
    expect(rows.bytes).toBe(BYTES)
    expect(deviceBytes()).toBe(BYTES)
  })

  test("what the arena wrote counts again, and takes no memory where the device has none of it", () => {
    const { keys } = takeState(1)
    keys.values.fill(5)
    rows.wrote(keys)
    expect(rows.hasState).toBe(false)
    expect(held(rows.state("keys", keys, true))).toEqual(filled(5))
    const { bytes } = rows
    rows.wrote(fake.takeRows())
    expect(rows.bytes).toBe(bytes)
  })

  test("a lost device holds nothing: keys are uploaded to another one", () => {
    const { keys } = takeState(4)
    fake.queue.generation = 2
    fake.queue.buffers.clear()
    rows.forget()
    expect([rows.bytes, rows.hasState]).toEqual([0, false])
    expect(held(rows.state("keys", keys, true))).toEqual(filled(4))
    expect(rows.bytes).toBe(BYTES)
  })
})
