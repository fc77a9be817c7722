import { noise } from "@consilium/tensor"
import { activationName } from "./Activation.ts"
import type { Backend, Slab } from "./Backend.ts"
import { type BackendCase, withCaseRows } from "./BackendCase.ts"
import { withExpertSlabs, withSlab } from "./caseSlabs.ts"
import { packMatrixSlab } from "./packSlab.ts"
import { type ExpertShape, type Format, type MatrixShape, planMatrixSlab } from "./SlabLayout.ts"

/** Backends may sum f32 in another order; a last bit of an expert's activation may then round its 8 bits to the next integer. */
const BOUNDS: Readonly<Record<Format, number>> = { f32: 1e-4, int8: 1e-3, int4: 1e-3 }
const FORMATS: readonly Format[] = ["f32", "int8", "int4"]
const SWIGLU = { activation: "silu", hasGateProj: true, hasBias: false } as const
/** Of these cases' sums, some lie beyond the limit on either side. */
const CLAMPED = { activation: { kind: "clamped-silu", limit: 0.5 }, hasGateProj: true, hasBias: true } as const
const RELU = { activation: "relu", hasGateProj: false, hasBias: true } as const

/** Cases of `matmul`, `expert` and `embed`: odd sizes, no row, one row, many; every kind of expert. */
export const SLAB_CASES: readonly BackendCase[] = [
  ...FORMATS.flatMap((format) => [
    matmulCase({ format, numRows: 64, numColumns: 64, hasBias: false }, 1),
    matmulCase({ format, numRows: 64, numColumns: 64, hasBias: false }, 0),
    matmulCase({ format, numRows: 70, numColumns: 130, hasBias: true }, 5),
    matmulCase({ format, numRows: 70, numColumns: 130, hasBias: true }, 67),
    matmulCase({ format, numRows: 33, numColumns: 1, hasBias: false }, 2),
    expertCase({ format, hiddenSize: 64, intermediateSize: 128, ...SWIGLU }, 0, 4),
    expertCase({ format, hiddenSize: 96, intermediateSize: 72, ...SWIGLU, hasBias: true }, 3, 1),
    expertCase({ format, hiddenSize: 96, intermediateSize: 72, ...CLAMPED }, 0, 1),
    expertCase({ format, hiddenSize: 70, intermediateSize: 130, ...CLAMPED }, 1, 19),
    expertCase({ format, hiddenSize: 40, intermediateSize: 33, ...RELU }, 2, 37),
    expertCase({ format, hiddenSize: 40, intermediateSize: 33, ...RELU }, 1, 0),
  ]),
  ...FORMATS.map((format) => embedCase({ format, numRows: 50, numColumns: 72, hasBias: false })),
]

function matmulCase(shape: MatrixShape, numRows: number): BackendCase {
  const { format, numRows: outWidth, numColumns, hasBias } = shape
  return {
    name: `matmul ${format} ${numRows} × ${numColumns} → ${outWidth}${hasBias ? " with bias" : ""}`,
    op: "matmul",
    format,
    bound: BOUNDS[format],
    run(backend) {
      if (!backend.supports("matmul", format)) return undefined
      return withMatrix(backend, shape, (slab) =>
        withCaseRows(backend.arena, ({ take, takeNoise }) => {
          const out = take(numRows + 1, outWidth)
          backend.matmul(out, takeNoise(numRows + 1, numColumns, 7), numRows, slab)
          return out.values.slice()
        }),
      )
    },
  }
}

function embedCase(shape: MatrixShape): BackendCase {
  const { format, numColumns } = shape
  const ids = Int32Array.of(49, 0, 7, 7)
  return {
    name: `embed ${format}`,
    op: "embed",
    format,
    bound: 1e-6,
    run(backend) {
      if (!backend.supports("embed", format)) return undefined
      return withMatrix(backend, shape, (slab) =>
        withCaseRows(backend.arena, ({ take }) => {
          const out = take(ids.length, numColumns)
          backend.embed(out, ids, ids.length - 1, slab)
          return out.values.slice()
        }),
      )
    },
  }
}

function expertCase(shape: ExpertShape, firstRow: number, numRows: number): BackendCase {
  const { format, hiddenSize, intermediateSize, activation, hasGateProj, hasBias } = shape
  const kind = `${activationName(activation)}${hasGateProj ? "" : ", no gateProj"}${hasBias ? ", biases" : ""}`
  return {
    name: `expert ${format} ${hiddenSize} → ${intermediateSize}, ${kind}, ${numRows} rows from ${firstRow}`,
    op: "expert",
    format,
    bound: BOUNDS[format],
    run(backend) {
      if (!backend.supports("expert", format)) return undefined
      return withExpertSlabs(backend, shape, 1, ([slab]) =>
        withCaseRows(backend.arena, ({ take, takeNoise }) => {
          const out = take(firstRow + numRows + 1, hiddenSize)
          backend.expert(out, takeNoise(firstRow + numRows + 1, hiddenSize, 7), firstRow, numRows, slab!)
          return out.values.slice()
        }),
      )
    },
  }
}

function withMatrix<T>(backend: Backend, shape: MatrixShape, body: (slab: Slab) => T): T {
  const layout = planMatrixSlab(shape)
  const { numRows, numColumns, hasBias } = shape
  const pack = (bytes: Uint8Array): void =>
    packMatrixSlab(bytes, layout, noise(numRows * numColumns, 1, 0.1), hasBias ? noise(numRows, 2, 0.1) : undefined)
  return withSlab(backend, layout, pack, body)
}
