import { activationName } from "../Activation.ts"
import type { Format } from "../SlabLayout.ts"
import { emitProduct } from "./productKernel.ts"
import { PRODUCT } from "./productArguments.ts"
import type { Epilogue } from "./productEpilogue.ts"
import type { PlacedMatrix } from "./X64Slab.ts"
import type { X64Context } from "./X64Context.ts"

/** Output columns of a pair of groups of one matrix. */
const PAIR_COLUMNS = 32
/** Output columns of a gated pair. */
const GATED_COLUMNS = 16

/** Where a product's rows come from and go to: addresses, or places in a host's scratch memory. */
export interface ProductRows {
  readonly x: number
  readonly xStride: number
  readonly numRows: number
  readonly out: number
  readonly outStride: number
  /** `productWorkBytes` of a host's scratch. */
  readonly expanded: number
}

const PLAIN: Epilogue = { hasGateProj: false, activation: "none" }

/** Returns the address of the product kernel of a format and epilogue. */
export function productKernel(context: X64Context, format: Format, epilogue: Epilogue = PLAIN): number {
  const { hasGateProj, activation } = epilogue
  const name = activation === "none" ? activation : activationName(activation)
  return context.kernels.address(`product ${format} ${name} ${hasGateProj}`, () =>
    emitProduct({ isa: context.isa, format, epilogue }, context.createAssembler()),
  )
}

/** Writes the record at `at` of a product with pairs `firstPair .. firstPair + numPairs` of `matrix`, or of `gate` and `matrix` (up) where there is a gate. */
export function writeProduct(
  { hosts: { records } }: X64Context,
  at: number,
  code: number,
  matrix: PlacedMatrix,
  gate: PlacedMatrix | undefined,
  firstPair: number,
  numPairs: number,
  rows: ProductRows,
): void {
  const first = gate ?? matrix
  const columns = firstPair * (gate === undefined ? PAIR_COLUMNS : GATED_COLUMNS)
  const { format, numRows, numColumns, paddedColumns } = matrix.layout
  const ofColumns = (address: number): number => (address === 0 ? 0 : address + columns * 4)
  records[at] = code
  records[at + PRODUCT.weights] = first.weights + firstPair * 2 * first.groupBytes
  records[at + PRODUCT.groupBytes] = first.groupBytes
  records[at + PRODUCT.numPairs] = numPairs
  records[at + PRODUCT.x] = rows.x
  records[at + PRODUCT.xStride] = rows.xStride
  records[at + PRODUCT.numRows] = rows.numRows
  records[at + PRODUCT.out] = rows.out < 0 ? rows.out - columns * 4 : rows.out + columns * 4
  records[at + PRODUCT.outStride] = rows.outStride
  records[at + PRODUCT.scales] = ofColumns(first.scales)
  records[at + PRODUCT.secondScales] = ofColumns(matrix.scales)
  records[at + PRODUCT.bias] = ofColumns(first.bias)
  records[at + PRODUCT.secondBias] = ofColumns(matrix.bias)
  records[at + PRODUCT.numColumns] = format === "f32" ? numColumns : paddedColumns
  records[at + PRODUCT.outColumns] = numRows - columns
  records[at + PRODUCT.expanded] = rows.expanded
}

/** Least bytes of weights that are worth a task of their own. */
const TASK_BYTES = 1 << 16
/** Tasks for each host: more balance better, where one is put aside for a while. */
const TASKS_PER_HOST = 8

/** Cuts a product's pairs of groups into parts that are worth a task each, and calls `add` with every one. */
export function forEachPart(
  numHosts: number,
  matrix: PlacedMatrix,
  numPairs: number,
  numRows: number,
  add: (firstPair: number, numPairs: number) => void,
): void {
  const numParts = countParts(numHosts, numPairs * 2 * matrix.groupBytes, numRows, numPairs)
  for (let part = 0; part < numParts; part++) {
    const first = Math.floor((numPairs * part) / numParts)
    const end = Math.floor((numPairs * (part + 1)) / numParts)
    add(first, end - first)
  }
}

function countParts(numHosts: number, weightBytes: number, numRows: number, most: number): number {
  if (numHosts === 1) return 1
  // Many rows make up for few weights.
  const worth = Math.floor((weightBytes * Math.max(1, numRows / 4)) / TASK_BYTES)
  return Math.max(1, Math.min(most, worth, numHosts * TASKS_PER_HOST))
}
