import { expect, test } from "bun:test"
import * as fc from "fast-check"
import { planExpertSlab, planMatrixSlab, type MatrixLayout } from "./SlabLayout.ts"

const format = fc.constantFrom("f32" as const, "int8" as const, "int4" as const)

/** Bytes of each part of a matrix, counted from the format's definition rather than from the planner. */
function parts(m: MatrixLayout): { offset: number; bytes: number }[] {
  const elements = m.paddedRows * m.paddedColumns
  const valueBytes = { f32: elements * 4, int8: elements, int4: m.paddedRows * (m.paddedColumns / 32) * 16 }[m.format]
  const scaleBytes = { f32: 0, int8: m.paddedRows * 4, int4: m.paddedRows * (m.paddedColumns / 32) * 4 }[m.format]
  const list = [{ offset: m.values, bytes: valueBytes }]
  if (m.scales !== undefined) list.push({ offset: m.scales, bytes: scaleBytes })
  if (m.zeroPoints !== undefined) list.push({ offset: m.zeroPoints, bytes: m.paddedRows * (m.paddedColumns / 64) })
  if (m.bias !== undefined) list.push({ offset: m.bias, bytes: m.paddedRows * 4 })
  return list
}

function expectDisjoint(list: { offset: number; bytes: number }[], slabBytes: number): void {
  let end = 0
  for (const part of list.toSorted((a, b) => a.offset - b.offset)) {
    expect(part.offset % 64).toBe(0)
    expect(part.offset).toBeGreaterThanOrEqual(end)
    end = part.offset + part.bytes
  }
  expect(slabBytes).toBeGreaterThanOrEqual(end)
  expect(slabBytes % 64).toBe(0)
}

test("planMatrixSlab: parts are aligned, apart from each other and inside the slab", () => {
  fc.assert(
    fc.property(
      format,
      fc.integer({ min: 1, max: 300 }),
      fc.integer({ min: 1, max: 300 }),
      fc.boolean(),
      (f, r, c, b) => {
        const layout = planMatrixSlab({ format: f, numRows: r, numColumns: c, hasBias: b })
        const m = layout.matrix
        expect([m.paddedRows % 32, m.paddedColumns % 64]).toEqual([0, 0])
        expect(m.paddedRows - r).toBeWithin(0, 32)
        expect(m.paddedColumns - c).toBeWithin(0, 64)
        expect([m.scales !== undefined, m.zeroPoints !== undefined, m.bias !== undefined]).toEqual([
          f !== "f32",
          f === "int4",
          b,
        ])
        expectDisjoint(parts(m), layout.bytes)
      },
    ),
  )
})

test("planExpertSlab: two or three projections share one slab without overlap", () => {
  fc.assert(
    fc.property(
      format,
      fc.integer({ min: 1, max: 200 }),
      fc.integer({ min: 1, max: 200 }),
      fc.boolean(),
      fc.boolean(),
      (f, h, i, g, b) => {
        const shape = {
          format: f,
          hiddenSize: h,
          intermediateSize: i,
          activation: "silu",
          hasGateProj: g,
          hasBias: b,
        } as const
        const layout = planExpertSlab(shape)
        expect(layout).toEqual(planExpertSlab(shape))
        expect(layout.gateProj !== undefined).toBe(g)
        expect([layout.upProj.numRows, layout.upProj.numColumns]).toEqual([i, h])
        expect([layout.downProj.numRows, layout.downProj.numColumns]).toEqual([h, i])
        const all = [layout.gateProj, layout.upProj, layout.downProj].filter((m) => m !== undefined)
        expectDisjoint(all.flatMap(parts), layout.bytes)
      },
    ),
  )
})

test("planMatrixSlab: sizes that are not positive integers are refused with their values", () => {
  expect(() => planMatrixSlab({ format: "f32", numRows: 0, numColumns: 4, hasBias: false })).toThrow(
    "found 0 rows, 4 columns",
  )
  expect(() => planMatrixSlab({ format: "f32", numRows: 1.5, numColumns: 4, hasBias: false })).toThrow("found 1.5 rows")
  expect(() => planMatrixSlab({ format: "int8", numRows: 1, numColumns: 131_073, hasBias: false })).toThrow("131073")
})
