/** What is done row by row. */
import type { ExpertRows } from "../Backend.ts"
import { ADD_SCALED } from "./addScaledKernel.ts"
import { COMBINE } from "./combineKernel.ts"
import { countRowParts, partStart } from "./countParts.ts"
import { NORM_ROWS } from "./normRowsKernel.ts"
import type { PlacedRows, X64Context } from "./X64Context.ts"

/** RMS norm of rows. */
export function runNorm(
  { hosts, codes }: X64Context,
  out: PlacedRows,
  x: PlacedRows,
  numRows: number,
  weight: Float32Array,
  epsilon: number,
): void {
  const { records } = hosts
  const width = weight.length
  const weightAddress = hosts.hold(weight)
  const numParts = countRowParts(hosts.numHosts, numRows, width)
  for (let part = 0; part < numParts; part++) {
    const first = partStart(numRows, part, numParts)
    const at = hosts.add(codes.norm)
    records[at + NORM_ROWS.x] = x.address + first * width * 4
    records[at + NORM_ROWS.out] = out.address + first * width * 4
    records[at + NORM_ROWS.weight] = weightAddress
    records[at + NORM_ROWS.numRows] = partStart(numRows, part + 1, numParts) - first
    records[at + NORM_ROWS.width] = width
    records[at + NORM_ROWS.epsilon] = epsilon
  }
  hosts.run()
}

/** `out[t] += factors[t] · x[t]`; without factors they are 1. */
export function runAddScaled(
  { hosts, codes }: X64Context,
  out: PlacedRows,
  x: PlacedRows,
  numRows: number,
  factors: Float32Array | undefined,
): void {
  const { records } = hosts
  const { width } = out
  const factorAddress = factors === undefined ? 0 : hosts.hold(factors)
  const numParts = countRowParts(hosts.numHosts, numRows, width)
  for (let part = 0; part < numParts; part++) {
    const first = partStart(numRows, part, numParts)
    const at = hosts.add(codes.addScaled)
    records[at + ADD_SCALED.out] = out.address + first * width * 4
    records[at + ADD_SCALED.x] = x.address + first * width * 4
    records[at + ADD_SCALED.factors] = factorAddress === 0 ? 0 : factorAddress + first * 4
    records[at + ADD_SCALED.numRows] = partStart(numRows, part + 1, numParts) - first
    records[at + ADD_SCALED.width] = width
  }
  hosts.run()
}

/** Each token's weighted sum over its experts' outputs, ranks in order. */
export function runCombine({ hosts, codes }: X64Context, out: PlacedRows, outputs: PlacedRows, plan: ExpertRows): void {
  const { records } = hosts
  const { width } = out
  const { numTokens, topK } = plan
  const rows = hosts.hold(plan.rows)
  const weights = hosts.hold(plan.weights)
  const numParts = countRowParts(hosts.numHosts, numTokens, width * topK)
  for (let part = 0; part < numParts; part++) {
    const first = partStart(numTokens, part, numParts)
    const at = hosts.add(codes.combine)
    records[at + COMBINE.out] = out.address + first * width * 4
    records[at + COMBINE.outputs] = outputs.address
    records[at + COMBINE.rows] = rows + first * topK * 4
    records[at + COMBINE.weights] = weights + first * topK * 4
    records[at + COMBINE.numTokens] = partStart(numTokens, part + 1, numParts) - first
    records[at + COMBINE.topK] = topK
    records[at + COMBINE.width] = width
  }
  hosts.run()
}
