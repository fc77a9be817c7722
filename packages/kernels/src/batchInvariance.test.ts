import { afterAll, expect, test } from "bun:test"
import { noise } from "@consilium/tensor"
import type { Rows } from "./Arena.ts"
import { createArena } from "./createArena.ts"
import { createReferenceBackend } from "./createReferenceBackend.ts"
import { packExpertSlab, packMatrixSlab } from "./packSlab.ts"
import { planExpertSlab, planMatrixSlab } from "./SlabLayout.ts"

const arena = createArena()
const backend = createReferenceBackend(arena)
afterAll(() => arena.close())

const [T, H, I] = [16, 70, 45]
/** Rows of very different size, so that a scale shared between them would show. */
const inputs = noise(T * H, 5, 1).map((x, i) => x * 10 ** ((Math.floor(i / H) % 5) - 2))

/** Returns all outputs, computed `chunk` rows at a time. */
function inChunks(chunk: number, width: number, run: (out: Rows, x: Rows, numRows: number) => void): number[] {
  const outputs: number[] = []
  for (let first = 0; first < T; first += chunk) {
    const numRows = Math.min(chunk, T - first)
    const [x, out] = [arena.rows(numRows, H), arena.rows(numRows, width)]
    x.values.set(inputs.subarray(first * H, (first + numRows) * H))
    run(out, x, numRows)
    outputs.push(...out.values)
    for (const { span } of [x, out]) arena.free(span)
  }
  return outputs
}

test.each(["f32", "int8", "int4"] as const)(
  "reference, %s: a row's bits are the same alone, in a chunk and in a batch",
  (format) => {
    const matrix = planMatrixSlab({ format, numRows: I, numColumns: H, hasBias: true })
    const matrixSpan = arena.allocate(matrix.bytes)
    packMatrixSlab(arena.bytes(matrixSpan), matrix, noise(I * H, 1, 0.1), noise(I, 2, 0.1))
    const matrixSlab = backend.openSlab(matrixSpan, matrix)

    const shape = {
      format,
      hiddenSize: H,
      intermediateSize: I,
      activation: "silu",
      hasGateProj: true,
      hasBias: false,
    } as const
    const expert = planExpertSlab(shape)
    const expertSpan = arena.allocate(expert.bytes)
    const [gateProj, upProj, downProj] = [noise(I * H, 3, 0.1), noise(I * H, 4, 0.1), noise(H * I, 5, 0.1)]
    packExpertSlab(arena.bytes(expertSpan), expert, { gateProj, upProj, downProj })
    const expertSlab = backend.openSlab(expertSpan, expert)

    const matmul = (chunk: number) =>
      inChunks(chunk, I, (out, x, numRows) => backend.matmul(out, x, numRows, matrixSlab))
    const ffn = (chunk: number) =>
      inChunks(chunk, H, (out, x, numRows) => backend.expert(out, x, 0, numRows, expertSlab))
    for (const run of [matmul, ffn]) {
      const whole = run(T)
      expect(whole.every(Number.isFinite)).toBe(true)
      for (const chunk of [1, 3, 7]) expect(run(chunk)).toEqual(whole)
    }
  },
)

test("reference: a closed slab is refused", () => {
  const layout = planMatrixSlab({ format: "f32", numRows: 1, numColumns: 1, hasBias: false })
  const slab = backend.openSlab(arena.allocate(layout.bytes), layout)
  backend.closeSlab(slab)
  expect(() => backend.matmul(arena.rows(1, 1), arena.rows(1, 1), 1, slab)).toThrow("not open")
})
