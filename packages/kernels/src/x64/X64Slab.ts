import { activationName, expertActivation } from "../Activation.ts"
import type { Slab } from "../Backend.ts"
import { createRowReader, type OpenMatrix, openMatrix, type RowReader } from "../openMatrix.ts"
import { GROUP_ROWS, groupBytes, isRotated, type MatrixLayout, type SlabLayout } from "../SlabLayout.ts"
import { productCode } from "./productCode.ts"
import type { X64Context } from "./X64Context.ts"

/** A packed matrix as machine code reads it: addresses instead of views. */
export interface PlacedMatrix {
  readonly layout: MatrixLayout
  /** Address of the kernel for products with it alone. */
  readonly code: number
  /** Address of the first group. */
  readonly weights: number
  /** Bytes to the next group: where gate and up projection take turns, it is the other's. */
  readonly groupBytes: number
  /** Pairs of groups, 32 output columns each. */
  readonly numPairs: number
  readonly numRows: number
  /** Columns that the kernel reads: in 8 and 4 bits padded ones too. */
  readonly readColumns: number
  /** Addresses; 0 where there is none. */
  readonly scales: number
  readonly bias: number
}

/** What experts share that can be run together; one object for all of them, so that a step touches little memory. */
export interface ExpertKind {
  readonly shape: string
  /** Widths of x, of the rows between up and down projection, and of the output. */
  readonly numColumns: number
  readonly innerColumns: number
  readonly paddedInnerColumns: number
  readonly outColumns: number
  /** Bytes from one inner row to the next. */
  readonly innerStride: number
  /** Address of the kernel for the gate and up projections with their activation. */
  readonly innerCode: number
  readonly isQuantized: boolean
  readonly isRotated: boolean
}

/** A slab that machine code computes with where it lies in the arena. */
export interface X64Slab extends Slab {
  /** Whose it is; undefined once it is closed. */
  openIn: X64Context | undefined
  readonly kind: ExpertKind | undefined
  readonly matrix: PlacedMatrix | undefined
  readonly gateProj: PlacedMatrix | undefined
  readonly upProj: PlacedMatrix | undefined
  readonly downProj: PlacedMatrix | undefined
  /** Views of a matrix slab and what reads its rows, for `embed`. */
  readonly open: OpenMatrix | undefined
  readonly readRow: RowReader | undefined
}

type ExpertLayout = Extract<SlabLayout, { kind: "expert" }>

/** Returns what opens slabs, of which the bytes begin at an address. Kernels that they need are emitted where they are not there yet. */
export function createSlabOpener(
  context: X64Context,
): (layout: SlabLayout, address: number, bytes: Uint8Array) => X64Slab {
  const kinds = new Map<string, ExpertKind>()
  const kindOf = (layout: ExpertLayout): ExpertKind => {
    const shape = describeShape(layout)
    let kind = kinds.get(shape)
    if (kind === undefined) kinds.set(shape, (kind = createKind(context, layout, shape)))
    return kind
  }
  return (layout, address, bytes) => {
    const isExpert = layout.kind === "expert"
    const place = (matrix: MatrixLayout | undefined): PlacedMatrix | undefined =>
      matrix && placeMatrix(context, matrix, address)
    const open = isExpert ? undefined : openMatrix(bytes, layout.matrix)
    return {
      backend: "x64",
      layout,
      readsArena: true,
      openIn: context,
      kind: isExpert ? kindOf(layout) : undefined,
      matrix: isExpert ? undefined : place(layout.matrix),
      gateProj: isExpert ? place(layout.gateProj) : undefined,
      upProj: isExpert ? place(layout.upProj) : undefined,
      downProj: isExpert ? place(layout.downProj) : undefined,
      open,
      readRow: open && createRowReader(open),
    }
  }
}

function createKind(context: X64Context, layout: ExpertLayout, shape: string): ExpertKind {
  const { format, activation, gateProj, upProj, downProj } = layout
  return {
    shape,
    numColumns: upProj.numColumns,
    innerColumns: downProj.numColumns,
    paddedInnerColumns: downProj.paddedColumns,
    outColumns: downProj.numRows,
    // A line more than it needs: rows shall not fall on the same cache sets.
    innerStride: upProj.paddedRows * 4 + 64,
    innerCode: productCode(context, format, expertActivation(activation, gateProj !== undefined)),
    isQuantized: format !== "f32",
    isRotated: isRotated(format),
  }
}

function describeShape({ format, activation, gateProj, upProj, downProj }: ExpertLayout): string {
  const sizes = `${upProj.numColumns} → ${upProj.numRows} → ${downProj.numRows}`
  return `${format} ${activationName(activation)}${gateProj === undefined ? "" : " gated"} ${sizes}`
}

function placeMatrix(context: X64Context, layout: MatrixLayout, address: number): PlacedMatrix {
  const { format, values, numRows, numColumns, paddedRows, paddedColumns, scales, bias } = layout
  return {
    layout,
    code: productCode(context, format),
    weights: address + values,
    groupBytes: groupBytes(format, paddedColumns),
    numPairs: paddedRows / (2 * GROUP_ROWS),
    numRows,
    readColumns: format === "f32" ? numColumns : paddedColumns,
    scales: scales === undefined ? 0 : address + scales,
    bias: bias === undefined ? 0 : address + bias,
  }
}
