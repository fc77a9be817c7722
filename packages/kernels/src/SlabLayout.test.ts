import { expect, test } from "bun:test"
import * as fc from "fast-check"
import { groupBytes, type MatrixLayout, planExpertSlab, planMatrixSlab } from "./SlabLayout.ts"

const format = fc.constantFrom("f32" as const, "int8" as const, "int4" as const)

interface Run {
  readonly offset: number
  readonly bytes: number
}

/** Every group, scale and bias of a matrix, counted from the format's definition rather than from the planner. */
function runsOf(m: MatrixLayout): Run[] {
  const elements = 16 * m.paddedColumns
  const groupBytes = {
    f32: elements * 4,
    int8: elements,
    int4: Math.ceil((elements / 2 + (m.paddedColumns / 64) * 48) / 64) * 64,
  }[m.format]
  const groups = Array.from({ length: m.paddedRows / 16 }, (_, g) => ({
    offset: m.values + g * m.groupStride,
    bytes: groupBytes,
  }))
  const vectors = [m.scales, m.bias].filter((offset) => offset !== undefined)
  return [...groups, ...vectors.map((offset) => ({ offset, bytes: m.paddedRows * 4 }))]
}

/** No overlap, and no more between two runs than alignment asks for. */
function expectDense(runs: Run[], slabBytes: number): void {
  let end = 0
  for (const run of runs.toSorted((a, b) => a.offset - b.offset)) {
    expect(run.offset % 64).toBe(0)
    expect(run.offset - end).toBeWithin(0, 64)
    end = run.offset + run.bytes
  }
  expect(slabBytes - end).toBeWithin(0, 64)
  expect(slabBytes % 64).toBe(0)
}

test("planMatrixSlab: groups, scales and bias fill the slab, aligned and without overlap", () => {
  const size = fc.integer({ min: 1, max: 300 })
  fc.assert(
    fc.property(format, size, size, fc.boolean(), (f, r, c, b) => {
      const layout = planMatrixSlab({ format: f, numRows: r, numColumns: c, hasBias: b })
      const m = layout.matrix
      expect([m.paddedRows % 32, m.paddedColumns % 64]).toEqual([0, 0])
      expect(m.paddedRows - r).toBeWithin(0, 32)
      expect(m.paddedColumns - c).toBeWithin(0, 64)
      expect([m.scales !== undefined, m.bias !== undefined]).toEqual([f !== "f32", b])
      expectDense(runsOf(m), layout.bytes)
    }),
  )
})

test("planExpertSlab: two or three projections fill one slab; gate and up projection take turns", () => {
  const size = fc.integer({ min: 1, max: 200 })
  fc.assert(
    fc.property(format, size, size, fc.boolean(), fc.boolean(), (f, h, i, g, b) => {
      const shape = {
        format: f,
        hiddenSize: h,
        intermediateSize: i,
        activation: "silu",
        hasGateProj: g,
        hasBias: b,
      } as const
      const layout = planExpertSlab(shape)
      const { gateProj, upProj, downProj } = layout
      expect(layout).toEqual(planExpertSlab(shape))
      expect([upProj.numRows, upProj.numColumns]).toEqual([i, h])
      expect([downProj.numRows, downProj.numColumns]).toEqual([h, i])
      const ownBytes = groupBytes(f, upProj.paddedColumns)
      expect([gateProj?.values, upProj.values, upProj.groupStride]).toEqual(
        g ? [0, ownBytes, 2 * ownBytes] : [undefined, 0, ownBytes],
      )
      expect(downProj.groupStride).toBe(groupBytes(f, downProj.paddedColumns))
      const all = [gateProj, upProj, downProj].filter((m) => m !== undefined)
      expectDense(all.flatMap(runsOf), layout.bytes)
    }),
  )
})

test("planMatrixSlab: sizes that are not positive integers are refused with their values", () => {
  expect(() => planMatrixSlab({ format: "f32", numRows: 0, numColumns: 4, hasBias: false })).toThrow(
    "found 0 rows, 4 columns",
  )
  expect(() => planMatrixSlab({ format: "f32", numRows: 1.5, numColumns: 4, hasBias: false })).toThrow("found 1.5 rows")
  expect(() => planMatrixSlab({ format: "f32", numRows: 4, numColumns: 0, hasBias: false })).toThrow("0 columns")
  expect(planMatrixSlab({ format: "int8", numRows: 1, numColumns: 131_072, hasBias: false }).matrix.numColumns).toBe(
    131_072,
  )
  expect(() => planMatrixSlab({ format: "int8", numRows: 1, numColumns: 131_073, hasBias: false })).toThrow("131073")
})

test("planExpertSlab: a limit that is not a finite number above 0 is refused", () => {
  for (const limit of [0, -7, Number.NaN, Number.POSITIVE_INFINITY]) {
    const activation = { kind: "clamped-silu", limit } as const
    const sizes = { format: "f32", hiddenSize: 4, intermediateSize: 4 } as const
    expect(() => planExpertSlab({ ...sizes, activation, hasGateProj: true, hasBias: false })).toThrow(
      `expected a finite limit above 0, found ${limit}`,
    )
  }
})
