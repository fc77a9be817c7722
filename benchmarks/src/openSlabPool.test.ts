import { type Backend, createArena, createReferenceBackend } from "@consilium/kernels"
import { expect, test } from "bun:test"
import { openSlabPool, packRandomSlab } from "./openSlabPool.ts"

const SHAPE = { kind: "matrix", format: "int8", numRows: 32, numColumns: 64, hasBias: false } as const

test("openSlabPool: fills the bytes with copies that have memory of their own, and gives all of it back", () => {
  const arena = createArena()
  const backend = createReferenceBackend(arena)
  const packed = packRandomSlab(SHAPE)
  const pool = openSlabPool(backend, packed, packed.layout.bytes * 2.5)
  expect(pool.slabs).toHaveLength(3)
  expect(pool.slabBytes).toBe(packed.layout.bytes)
  expect(arena.usedBytes).toBeGreaterThanOrEqual(3 * packed.layout.bytes)
  pool.close()
  expect(arena.usedBytes).toBe(0)
})

test("openSlabPool: opens whole groups", () => {
  const backend = createReferenceBackend(createArena())
  const packed = packRandomSlab(SHAPE)
  expect(openSlabPool(backend, packed, packed.layout.bytes * 2.5, 8).slabs).toHaveLength(8)
  expect(openSlabPool(backend, packed, packed.layout.bytes * 8.5, 8).slabs).toHaveLength(16)
})

test("openSlabPool: keeps nothing when the backend refuses a slab", () => {
  const arena = createArena()
  const inner = createReferenceBackend(arena)
  let numOpened = 0
  const refusing: Backend = {
    ...inner,
    openSlab(span, layout) {
      if (numOpened++ === 2) throw new Error("no room")
      return inner.openSlab(span, layout)
    },
  }
  expect(() => openSlabPool(refusing, packRandomSlab(SHAPE), 1e6)).toThrow("no room")
  expect(arena.usedBytes).toBe(0)
})

test("packRandomSlab: copies compute the same numbers, which are not zero", () => {
  const arena = createArena()
  const backend = createReferenceBackend(arena)
  const expertShape = { kind: "expert", format: "int4", hiddenSize: 64, intermediateSize: 64 } as const
  const packed = packRandomSlab({ ...expertShape, activation: "silu", hasGateProj: true, hasBias: false })
  const { slabs } = openSlabPool(backend, packed, packed.layout.bytes * 2)
  const x = arena.rows(1, 64)
  x.values.fill(1)
  const outputs = slabs.map((slab) => {
    const out = arena.rows(1, 64)
    backend.expert(out, x, 0, 1, slab)
    return out.values
  })
  expect(outputs[0]).toEqual(outputs[1]!)
  expect(outputs[0]!.some((value) => value !== 0)).toBe(true)
})
