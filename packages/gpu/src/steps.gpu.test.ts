/** Rows of a step lie on the device until they are asked for: each operation finds what the one before it left there. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test"
import {
  type Arena,
  type AttentionLayer,
  type Backend,
  cacheMemory,
  createArena,
  createReferenceBackend,
  type ExpertRows,
  packExpertSlab,
  packMatrixSlab,
  planExpertSlab,
  planMatrixSlab,
  type Slab,
} from "@consilium/kernels"
import { noise } from "@consilium/tensor"
import { whyNoGpu } from "../test/openGpu.ts"
import { createGpuBackend, type GpuBackend } from "./index.ts"

const [WIDTH, NUM_TOKENS] = [64, 3]
/** Two experts; each token goes to both, but the last, which the second has dropped. */
const PLAN: ExpertRows = {
  numTokens: NUM_TOKENS,
  topK: 2,
  order: Int32Array.of(0, 2, 4, 1, 3),
  offsets: Int32Array.of(0, 3, 5),
  rows: Int32Array.of(0, 3, 1, 4, 2, -1),
  weights: Float32Array.of(0.5, 0.25, -1, 2, 0.75, 3),
}
const ATTENTION: AttentionLayer = {
  numHeads: 1,
  numKvHeads: 1,
  headDim: 8,
  scale: 1,
  rope: undefined,
  slidingWindow: Number.POSITIVE_INFINITY,
  qkNorm: undefined,
}

describe.skipIf(whyNoGpu() !== undefined)("a step on the device", () => {
  let arena!: Arena
  let gpu!: GpuBackend
  let reference!: Backend
  beforeAll(() => {
    arena = createArena()
    gpu = createGpuBackend(arena)
    reference = createReferenceBackend(arena)
  })
  afterAll(() => {
    gpu.close()
    arena.close()
  })

  const openExperts = (backend: Backend): readonly Slab[] =>
    [1, 2].map((e) => {
      const shape = { hiddenSize: WIDTH, intermediateSize: 32, activation: "silu", hasGateProj: true } as const
      const layout = planExpertSlab({ ...shape, hasBias: false, format: "f32" })
      const span = arena.allocate(layout.bytes)
      const [gateProj, upProj, downProj] = [1, 2, 3].map((seed) => noise(WIDTH * 32, 10 * e + seed, 0.2))
      packExpertSlab(arena.bytes(span), layout, { gateProj: gateProj!, upProj: upProj!, downProj: downProj! })
      return backend.openSlab(span, layout)
    })
  const expectNear = (found: Float32Array, expected: Float32Array): void => {
    for (const [i, value] of found.entries()) expect(Math.abs(value - expected[i]!)).toBeLessThan(1e-5)
  }

  test("outputs of experts that ran there are combined there, over what the rows held before", () => {
    const [x, hidden, branch] = [1, 2, 3].map(() => arena.rows(NUM_TOKENS, WIDTH))
    const outputs = arena.rows(5, WIDTH)
    const values = noise(NUM_TOKENS * WIDTH, 5, 1)
    const slabs = openExperts(gpu)
    gpu.beginStep!()
    x!.values.set(values)
    hidden!.values.fill(0)
    // Attention's part of the residual, in the rows that the experts' comes to.
    gpu.norm(branch!, x!, NUM_TOKENS, new Float32Array(WIDTH).fill(1), 1e-6)
    gpu.experts!(outputs, x!, PLAN, slabs)
    gpu.combine!(branch!, outputs, PLAN)
    gpu.addScaled(hidden!, branch!, NUM_TOKENS)
    gpu.read!(hidden!, NUM_TOKENS)
    gpu.endStep!()
    const expected = new Float32Array(NUM_TOKENS * WIDTH)
    for (const [e, slab] of openExperts(reference).entries()) {
      reference.expert(branch!, x!, 0, NUM_TOKENS, slab)
      for (let t = 0; t < NUM_TOKENS; t++)
        for (let i = 0; PLAN.rows[2 * t + e]! >= 0 && i < WIDTH; i++)
          expected[t * WIDTH + i]! += PLAN.weights[2 * t + e]! * branch!.values[t * WIDTH + i]!
    }
    expectNear(hidden!.values, expected)
  })

  test.each(["f32", "int8", "int4"] as const)(
    "a branch's sum, its norm and a product of it have the same bits in one kernel as one by one, in %s",
    (format) => {
      const layout = planMatrixSlab({ format, numRows: 32, numColumns: WIDTH, hasBias: false })
      const span = arena.allocate(layout.bytes)
      packMatrixSlab(arena.bytes(span), layout, noise(32 * WIDTH, 4, 1))
      const slab = gpu.openSlab(span, layout)
      const [hidden, branch, normed] = [1, 2, 3].map(() => arena.rows(NUM_TOKENS, WIDTH))
      const out = arena.rows(NUM_TOKENS, 32)
      const run = (isOneByOne: boolean): readonly Float32Array[] => {
        const all = [hidden!, normed!, out]
        gpu.beginStep!()
        for (const [i, rows] of [hidden!, branch!].entries()) rows.values.set(noise(NUM_TOKENS * WIDTH, 7 + i, 1))
        const pause = (): void => {
          if (isOneByOne) gpu.sync!()
        }
        gpu.addScaled(hidden!, branch!, NUM_TOKENS)
        pause()
        gpu.norm(normed!, hidden!, NUM_TOKENS, noise(WIDTH, 9, 1), 1e-6)
        pause()
        gpu.matmul(out, normed!, NUM_TOKENS, slab)
        for (const rows of all) gpu.read!(rows, NUM_TOKENS)
        gpu.endStep!()
        return all.map(({ values }) => values.slice())
      }
      const [together, apart] = [run(false), run(true)]
      expect(together).toEqual([...apart])
      expect(apart[2]!.every((value) => Number.isFinite(value) && value !== 0)).toBe(true)
      gpu.closeSlab(slab)
    },
  )

  test("memory that held keys and values, was given back and is something else now, is read anew", () => {
    const takeRows = () => [arena.rows(1, 24), arena.rows(1, 8), arena.rows(4, 8), arena.rows(4, 8)] as const
    const attend = (backend: Backend, seed: number): Float32Array => {
      const [qkv, out, keys, values] = takeRows()
      for (const rows of [qkv, keys, values]) rows.values.set(noise(rows.values.length, seed, 1))
      const slot = { firstRow: 0, numRows: 1, pastLength: 3, capacity: 4, keys, values }
      backend.attend(out, qkv, [slot], ATTENTION)
      const found = out.values.slice()
      for (const { span } of [qkv, out, keys, values]) arena.free(span)
      return found
    }
    for (const seed of [1, 2]) expectNear(attend(gpu, seed), attend(reference, seed))
    // One of these has the place of the keys.
    const rows = [1, 2, 3, 4].map(() => arena.rows(4, 8))
    const out = arena.rows(4, 8)
    for (const x of rows) {
      x.values.fill(2)
      gpu.norm(out, x, 4, new Float32Array(8).fill(1), 0)
      expectNear(out.values, new Float32Array(32).fill(1))
    }
  })

  test.each(["f32", "bf16/16"] as const)(
    "keys and values in %s that the arena has are copied in a step that failed before, and still there after it",
    (format) => {
      const [from, to] = [arena.cacheRows(format, 4, 32), arena.cacheRows(format, 4, 32)]
      cacheMemory(from).set(noise(cacheMemory(from).length, 3, 1e6))
      gpu.beginStep!()
      gpu.beginStep!()
      for (const row of [0, 2]) gpu.copyRows!(to, row, from, row, 1)
      gpu.endStep!()
      const expected = cacheMemory(from).slice()
      const length = expected.length / 4
      for (const row of [1, 3]) expected.fill(0, row * length, (row + 1) * length)
      expect(cacheMemory(to)).toEqual(expected)
    },
  )

  test("what fails in a step leaves nothing behind: the next call stands by itself, also where the device is then lost", () => {
    const [slab] = openExperts(gpu)
    const [x, out] = [arena.rows(1, 3000), arena.rows(1, 3000)]
    const weight = new Float32Array(3000).fill(1)
    gpu.beginStep!()
    expect(() => gpu.expert(out, x, 0, 1, slab!)).toThrow("3000")
    gpu.endHost!()
    x.values.fill(2)
    expect(() => gpu.norm(out, x, 1, weight, 0)).toThrow("lost")
    gpu.norm(out, x, 1, weight, 0)
    expectNear(out.values, weight)
  })
})
