/** What is done row by row. */
import type { ExpertRows } from "../Backend.ts"
import { ADD_SCALED, emitAddScaled } from "./addScaledKernel.ts"
import { COMBINE, emitCombine } from "./combineKernel.ts"
import { emitNormRows, NORM_ROWS } from "./normRowsKernel.ts"
import { runRowParts } from "./runRowParts.ts"
import type { PlacedRows, X64Context } from "./X64Context.ts"

/** RMS norm of rows. */
export function runNorm(
  context: X64Context,
  out: PlacedRows,
  x: PlacedRows,
  numRows: number,
  weight: Float32Array,
  epsilon: number,
): void {
  const { isa, kernels, hosts } = context
  const { records } = hosts
  const width = weight.length
  const weightAddress = hosts.hold(weight)
  const code = kernels.address("normRows", () => emitNormRows(isa))
  runRowParts(context, code, numRows, width, (at, first, count) => {
    records[at + NORM_ROWS.x] = x.address + first * width * 4
    records[at + NORM_ROWS.out] = out.address + first * width * 4
    records[at + NORM_ROWS.weight] = weightAddress
    records[at + NORM_ROWS.numRows] = count
    records[at + NORM_ROWS.width] = width
    records[at + NORM_ROWS.epsilon] = epsilon
  })
}

/** `out[t] += factors[t] · x[t]`; without factors they are 1. */
export function runAddScaled(
  context: X64Context,
  out: PlacedRows,
  x: PlacedRows,
  numRows: number,
  factors: Float32Array | undefined,
): void {
  const { isa, kernels, hosts } = context
  const { records } = hosts
  const { width } = out
  const factorAddress = factors === undefined ? 0 : hosts.hold(factors)
  const code = kernels.address("addScaled", () => emitAddScaled(isa))
  runRowParts(context, code, numRows, width, (at, first, count) => {
    records[at + ADD_SCALED.out] = out.address + first * width * 4
    records[at + ADD_SCALED.x] = x.address + first * width * 4
    records[at + ADD_SCALED.factors] = factorAddress === 0 ? 0 : factorAddress + first * 4
    records[at + ADD_SCALED.numRows] = count
    records[at + ADD_SCALED.width] = width
  })
}

/** Each token's weighted sum over its experts' outputs, ranks in order. */
export function runCombine(context: X64Context, out: PlacedRows, outputs: PlacedRows, plan: ExpertRows): void {
  const { isa, kernels, hosts } = context
  const { records } = hosts
  const { width } = out
  const { numTokens, topK } = plan
  const [rows, weights] = [hosts.hold(plan.rows), hosts.hold(plan.weights)]
  const code = kernels.address("combine", () => emitCombine(isa))
  runRowParts(context, code, numTokens, width * topK, (at, first, count) => {
    records[at + COMBINE.out] = out.address + first * width * 4
    records[at + COMBINE.outputs] = outputs.address
    records[at + COMBINE.rows] = rows + first * topK * 4
    records[at + COMBINE.weights] = weights + first * topK * 4
    records[at + COMBINE.numTokens] = count
    records[at + COMBINE.topK] = topK
    records[at + COMBINE.width] = width
  })
}
