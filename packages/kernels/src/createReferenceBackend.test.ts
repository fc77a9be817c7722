import { describe, expect, test } from "bun:test"
import { matmul, noise, silu } from "@consilium/tensor"
import { expectClose, maxError } from "@consilium/testing"
import fc from "fast-check"
import {
  BACKEND_CASES,
  createArena,
  createReferenceBackend,
  packExpertSlab,
  packMatrixSlab,
  planExpertSlab,
  planMatrixSlab,
  unpackMatrix,
} from "./index.ts"

const FORMATS = ["f32", "int8", "int4"] as const
/** Of the largest output: what rounding weights and activations costs. */
const BOUNDS = { f32: 1e-5, int8: 0.02, int4: 0.15 } as const

describe("createReferenceBackend", () => {
  test("a matrix of any size gives the plain product, within what its format rounds; padding is zeros", () => {
    const size = fc.integer({ min: 1, max: 70 })
    fc.assert(
      fc.property(
        fc.constantFrom(...FORMATS),
        size,
        fc.integer({ min: 1, max: 130 }),
        fc.integer({ min: 1, max: 4 }),
        (format, numRows, numColumns, numTokens) => {
          const arena = createArena({ segmentBytes: 2 ** 20 })
          const backend = createReferenceBackend(arena)
          const layout = planMatrixSlab({ format, numRows, numColumns, hasBias: true })
          const span = arena.allocate(layout.bytes)
          const weights = noise(numRows * numColumns, numRows, 1)
          packMatrixSlab(arena.bytes(span), layout, weights, noise(numRows, 3, 1))
          const unpacked = new Float32Array(numRows * numColumns)
          unpackMatrix(unpacked, arena.bytes(span), layout.matrix)
          expect(maxError(unpacked, weights)).toBeLessThan({ f32: 1e-9, int8: 0.05, int4: 0.5 }[format])

          const slab = backend.openSlab(span, layout)
          const [x, out] = [arena.rows(numTokens, numColumns), arena.rows(numTokens, numRows)]
          x.values.set(noise(numTokens * numColumns, 5, 1))
          backend.matmul(out, x, numTokens, slab)
          const expected = new Float32Array(numTokens * numRows)
          matmul(expected, x.values, unpacked, numTokens, numRows, numColumns)
          const bias = noise(numRows, 3, 1)
          // Of so many products of normal numbers: the largest sum may be small by chance, its error is not.
          const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), Math.sqrt(numColumns))
          // Against the dequantised weights only the activations' rounding is left.
          expectClose(
            out.values,
            expected.map((value, i) => value + bias[i % numRows]!),
            Math.max(1e-5, largest * BOUNDS[format]),
          )
          arena.close()
        },
      ),
      { numRuns: 60 },
    )
  })

  test("an expert is down · (silu(gate · x) ⊙ up · x)", () => {
    const [H, I] = [20, 30]
    const arena = createArena({})
    const backend = createReferenceBackend(arena)
    const layout = planExpertSlab({
      format: "f32",
      hiddenSize: H,
      intermediateSize: I,
      activation: "silu",
      hasGateProj: true,
      hasBias: false,
    })
    const span = arena.allocate(layout.bytes)
    const [gateProj, upProj, downProj] = [noise(I * H, 1, 0.3), noise(I * H, 2, 0.3), noise(H * I, 3, 0.3)]
    packExpertSlab(arena.bytes(span), layout, { gateProj, upProj, downProj })
    const [x, out] = [arena.rows(2, H), arena.rows(2, H)]
    x.values.set(noise(2 * H, 4, 1))
    backend.expert(out, x, 1, 1, backend.openSlab(span, layout))
    const [gate, up, expected] = [new Float32Array(I), new Float32Array(I), new Float32Array(H)]
    matmul(gate, x.values.subarray(H), gateProj, 1, I, H)
    matmul(up, x.values.subarray(H), upProj, 1, I, H)
    matmul(
      expected,
      gate.map((value, i) => silu(value) * up[i]!),
      downProj,
      1,
      H,
      I,
    )
    expectClose(out.values.subarray(H), expected, 1e-5)
    expect([...out.values.subarray(0, H)]).toEqual(Array(H).fill(0))
    arena.close()
  })

  test("attention in chunks, token by token and whole is the same, bit for bit", () => {
    const arena = createArena({})
    const backend = createReferenceBackend(arena)
    const layer = {
      numHeads: 2,
      numKvHeads: 1,
      headDim: 4,
      scale: 0.5,
      rope: undefined,
      slidingWindow: 5,
      qkNorm: undefined,
    }
    const [T, capacity, width] = [9, 16, 16]
    const qkv = noise(T * width, 1, 1)
    const attend = (chunk: number): Float32Array => {
      const [keys, values, out] = [arena.rows(capacity, 4), arena.rows(capacity, 4), arena.rows(T, 8)]
      for (let past = 0; past < T; past += chunk) {
        const numRows = Math.min(chunk, T - past)
        const [rows, part] = [arena.rows(numRows, width), arena.rows(numRows, 8)]
        rows.values.set(qkv.subarray(past * width, (past + numRows) * width))
        backend.attend(part, rows, [{ firstRow: 0, numRows, pastLength: past, capacity, keys, values }], layer)
        out.values.set(part.values, past * 8)
      }
      return out.values.slice()
    }
    const whole = attend(T)
    expect(attend(1)).toEqual(whole)
    expect(attend(4)).toEqual(whole)
    arena.close()
  })

  test("the shared cases run on it and give numbers", () => {
    const arena = createArena({})
    const backend = createReferenceBackend(arena)
    for (const { name, run } of BACKEND_CASES) {
      const values = run(backend)!
      expect(values.every(Number.isFinite), name).toBe(true)
      expect(
        values.some((value) => value !== 0),
        name,
      ).toBe(true)
    }
    expect(arena.usedBytes).toBe(0)
    arena.close()
  })

  test("rows of another width than the slab's are an error", () => {
    const arena = createArena({})
    const backend = createReferenceBackend(arena)
    const layout = planMatrixSlab({ format: "f32", numRows: 3, numColumns: 4, hasBias: false })
    const slab = backend.openSlab(arena.allocate(layout.bytes), layout)
    expect(() => backend.matmul(arena.rows(1, 3), arena.rows(1, 5), 1, slab)).toThrow("x is 5 wide, the slab wants 4")
    arena.close()
  })
})
