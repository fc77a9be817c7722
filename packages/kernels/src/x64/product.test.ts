import { afterAll, describe, expect, test } from "bun:test"
import { noise } from "@consilium/tensor"
import { ptr } from "bun:ffi"
import { createArena } from "../createArena.ts"
import { createReferenceBackend } from "../createReferenceBackend.ts"
import { packMatrixSlab } from "../packSlab.ts"
import { type Format, planMatrixSlab } from "../SlabLayout.ts"
import { callable, createCodeSpace } from "./executableMemory.ts"
import { ISAS } from "./Isa.ts"
import { scratchAddress } from "./kernelAbi.ts"
import { PRODUCT } from "./productArguments.ts"
import { emitProduct } from "./productKernel.ts"
import { quantizedRowBytes } from "./quantizedRows.ts"
import { emitQuantizeRows, QUANTIZE_ROWS } from "./quantizeRowsKernel.ts"

const arena = createArena()
const reference = createReferenceBackend(arena)
const space = createCodeSpace()
afterAll(() => {
  space.close()
  arena.close()
})

const scratch = new Uint8Array(1 << 20)
const run = (
  code: number,
  places: Readonly<Record<string, number>>,
  values: Readonly<Record<string, number>>,
): void => {
  const record = new Float64Array(16)
  for (const [name, value] of Object.entries(values)) record[places[name]!] = value
  callable(code, 2)(ptr(record), ptr(scratch))
}

for (const isa of ISAS.filter(({ hasTiles }) => !hasTiles)) {
  const quantize = space.place(emitQuantizeRows(isa))
  describe(isa.name, () => {
    test.each(["f32", "int8", "int4"] as const)("%s", (format: Format) => {
      const product = space.place(emitProduct({ isa, format, epilogue: { isGated: false, activation: "none" } }))
      for (const [N, K] of [
        [64, 64],
        [70, 130],
        [33, 1],
        [48, 576],
      ] as const)
        for (const M of [1, 2, 3, 4, 5, 7, 8, 9, 21]) {
          const layout = planMatrixSlab({ format, numRows: N, numColumns: K, hasBias: true })
          const span = arena.allocate(layout.bytes)
          const bytes = arena.bytes(span)
          packMatrixSlab(bytes, layout, noise(N * K, 1, 0.1), noise(N, 2, 0.1))
          const slab = reference.openSlab(span, layout)
          const [x, out] = [arena.rows(M, K), arena.rows(M, N)]
          x.values.set(noise(M * K, 3, 1))
          reference.matmul(out, x, M, slab)
          const found = new Float32Array(M * N + 16).fill(7)
          const { matrix } = layout
          const stride = quantizedRowBytes(matrix.paddedColumns)
          const q = new Uint8Array(M * stride + 64)
          const isF32 = format === "f32"
          if (!isF32)
            run(quantize, QUANTIZE_ROWS, {
              x: ptr(x.values),
              xStride: K * 4,
              out: ptr(q),
              outStride: stride,
              numRows: M,
              numColumns: K,
              paddedColumns: matrix.paddedColumns,
            })
          const base = ptr(bytes)
          run(product, PRODUCT, {
            weights: base + matrix.values,
            groupBytes: matrix.groupStride,
            numPairs: matrix.paddedRows / 32,
            x: isF32 ? ptr(x.values) : ptr(q),
            xStride: isF32 ? K * 4 : stride,
            numRows: M,
            out: ptr(found),
            outStride: N * 4,
            scales: base + (matrix.scales ?? 0),
            bias: base + matrix.bias!,
            numColumns: isF32 ? K : matrix.paddedColumns,
            outColumns: N,
            expanded: scratchAddress(0),
          })
          let worst = 0,
            largest = 0,
            bits = 0
          for (let i = 0; i < M * N; i++) {
            worst = Math.max(worst, Math.abs(found[i]! - out.values[i]!))
            largest = Math.max(largest, Math.abs(out.values[i]!))
            if (found[i] !== out.values[i]) bits++
          }
          expect(worst / largest, `${format} ${M} x ${K} -> ${N}; ${bits} differ`).toBeLessThan(1e-5)
          expect([...found.subarray(M * N)]).toEqual(Array(16).fill(7))
          for (const r of [span, x.span, out.span]) arena.free(r)
        }
    })
  })
}
