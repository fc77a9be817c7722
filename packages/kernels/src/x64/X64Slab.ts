import { activationName } from "../Activation.ts"
import type { Slab } from "../Backend.ts"
import { type OpenMatrix, openMatrix } from "../openMatrix.ts"
import { GROUP_ROWS, groupBytes, type MatrixLayout, type SlabLayout } from "../SlabLayout.ts"

/** A packed matrix as machine code reads it: addresses instead of views. */
export interface PlacedMatrix {
  readonly layout: MatrixLayout
  /** Address of the first group. */
  readonly weights: number
  /** Bytes to the next group: where gate and up projection take turns, it is the other's. */
  readonly groupBytes: number
  /** Pairs of groups, 32 output columns each. */
  readonly numPairs: number
  /** Addresses; 0 where there is none. */
  readonly scales: number
  readonly bias: number
}

/** A slab that machine code computes with where it lies in the arena. */
export interface X64Slab extends Slab {
  /** What experts must share to be run together. */
  readonly shape: string
  readonly matrix: PlacedMatrix | undefined
  readonly gateProj: PlacedMatrix | undefined
  readonly upProj: PlacedMatrix | undefined
  readonly downProj: PlacedMatrix | undefined
  /** Views of a matrix slab, for `embed`. */
  readonly open: OpenMatrix | undefined
}

/** Opens a slab whose bytes begin at `address`. */
export function openX64Slab(layout: SlabLayout, address: number, bytes: Uint8Array): X64Slab {
  const isExpert = layout.kind === "expert"
  const place = (matrix: MatrixLayout | undefined): PlacedMatrix | undefined => matrix && placeMatrix(matrix, address)
  return {
    backend: "x64",
    layout,
    readsArena: true,
    shape: describeShape(layout),
    matrix: isExpert ? undefined : place(layout.matrix),
    gateProj: isExpert ? place(layout.gateProj) : undefined,
    upProj: isExpert ? place(layout.upProj) : undefined,
    downProj: isExpert ? place(layout.downProj) : undefined,
    open: isExpert ? undefined : openMatrix(bytes, layout.matrix),
  }
}

function describeShape(layout: SlabLayout): string {
  const { format } = layout
  if (layout.kind === "matrix") return `${format} matrix`
  const { activation, gateProj, upProj, downProj } = layout
  const sizes = `${upProj.numColumns} → ${upProj.numRows} → ${downProj.numRows}`
  return `${format} ${activationName(activation)}${gateProj === undefined ? "" : " gated"} ${sizes}`
}

function placeMatrix(layout: MatrixLayout, address: number): PlacedMatrix {
  const { format, values, paddedRows, paddedColumns, scales, bias } = layout
  return {
    layout,
    weights: address + values,
    groupBytes: groupBytes(format, paddedColumns),
    numPairs: paddedRows / (2 * GROUP_ROWS),
    scales: scales === undefined ? 0 : address + scales,
    bias: bias === undefined ? 0 : address + bias,
  }
}
