import { noise } from "@consilium/tensor"
import type { Rows } from "./Arena.ts"
import type { Backend, ExpertRows, Slab } from "./Backend.ts"
import { type BackendCase, withCaseRows } from "./BackendCase.ts"
import { withExpertSlabs } from "./caseSlabs.ts"
import type { ExpertShape, Format } from "./SlabLayout.ts"

/** A batch for a layer of experts. */
export interface ExpertsBatch {
  readonly name: string
  readonly numTokens: number
  readonly topK: number
  readonly numExperts: number
  /** The expert of a token's rank; -1 where it is dropped. */
  readonly expertId: (token: number, rank: number) => number
}

const SIZES = { hiddenSize: 70, intermediateSize: 40 } as const
const SWIGLU = { ...SIZES, activation: "silu", hasGateProj: true, hasBias: false } as const
const RELU = { ...SIZES, activation: "relu", hasGateProj: false, hasBias: true } as const
const FORMATS: readonly Format[] = ["f32", "int8", "int4"]

/** One is cut by columns; of the others, one expert has most rows, one has none, and some are dropped. */
const ONE_TOKEN: ExpertsBatch = {
  name: "1 token",
  numTokens: 1,
  topK: 2,
  numExperts: 3,
  expertId: (_, k) => [2, 0][k]!,
}
const SKEWED: ExpertsBatch = {
  name: "a hot expert, one without rows",
  numTokens: 66,
  topK: 2,
  numExperts: 4,
  expertId: (token, rank) => (rank === 0 ? 1 : [3, -1, 0][token % 3]!),
}

/** Cases of `experts`: all experts at once are what each by itself and their sum are. */
export const EXPERTS_CASES: readonly BackendCase[] = FORMATS.flatMap((format) => [
  expertsCase({ format, ...SWIGLU }, ONE_TOKEN),
  expertsCase({ format, ...SWIGLU }, SKEWED),
  expertsCase({ format, ...RELU }, SKEWED),
])

/**
 * Returns a case of `experts`.
 *
 * The reference has no such operation: it runs expert by expert, which is what the others are compared with.
 */
export function expertsCase(shape: ExpertShape, batch: ExpertsBatch): BackendCase {
  const { format, hiddenSize, hasGateProj } = shape
  const { name, numTokens, numExperts } = batch
  return {
    name: `experts ${format}${hasGateProj ? "" : ", no gateProj"}: ${name}`,
    op: "experts",
    format,
    bound: format === "f32" ? 1e-4 : 1e-3,
    run(backend) {
      const isReference = backend.name === "reference"
      if (!isReference && !backend.supports("experts", format)) return undefined
      const plan = planExpertRows(batch)
      return withExpertSlabs(backend, shape, numExperts, (slabs) =>
        withCaseRows(backend.arena, ({ take, takeNoise }) => {
          const [out, outputs] = [take(numTokens + 1, hiddenSize), take(plan.order.length + 1, hiddenSize)]
          const x = takeNoise(numTokens + 1, hiddenSize, 7)
          if (isReference) {
            runOneByOne(backend, outputs, x, plan, slabs)
            combineOneByOne(out, outputs, plan)
          } else {
            backend.experts!(outputs, x, plan, slabs)
            backend.combine!(out, outputs, plan)
          }
          return Float32Array.of(...out.values, ...outputs.values)
        }),
      )
    },
  }
}

/** Shares a batch's rows out among experts; a token's weights fall with the rank. */
export function planExpertRows({ numTokens, topK, numExperts, expertId }: ExpertsBatch): ExpertRows {
  const expertIds = Array.from({ length: numTokens * topK }, (_, a) => expertId(Math.floor(a / topK), a % topK))
  const rows = new Int32Array(numTokens * topK).fill(-1)
  const order: number[] = []
  const offsets = new Int32Array(numExperts + 1)
  for (let e = 0; e < numExperts; e++) {
    for (const [assignment, id] of expertIds.entries()) {
      if (id === e) rows[assignment] = order.push(assignment) - 1
    }
    offsets[e + 1] = order.length
  }
  const weights = noise(numTokens * topK, 8, 1).map((value, a) => value / (1 + (a % topK)))
  return { numTokens, topK, order: Int32Array.from(order), offsets, rows, weights }
}

/** `Backend.experts` the plain way: rows side by side, expert after expert. */
export function runOneByOne(
  backend: Backend,
  outputs: Rows,
  x: Rows,
  { topK, order, offsets }: ExpertRows,
  slabs: readonly (Slab | undefined)[],
): void {
  const { width } = x
  withCaseRows(backend.arena, ({ take }) => {
    const gathered = take(order.length, width)
    for (const [row, assignment] of order.entries()) {
      const first = Math.floor(assignment / topK) * width
      gathered.values.set(x.values.subarray(first, first + width), row * width)
    }
    for (const [e, slab] of slabs.entries()) {
      const numRows = offsets[e + 1]! - offsets[e]!
      if (slab !== undefined && numRows > 0) backend.expert(outputs, gathered, offsets[e]!, numRows, slab)
    }
  })
}

/** `Backend.combine` the plain way: each token's weighted sum. */
export function combineOneByOne(out: Rows, outputs: Rows, { numTokens, topK, rows, weights }: ExpertRows): void {
  const { width } = out
  out.values.fill(0, 0, numTokens * width)
  for (const [assignment, row] of rows.entries()) {
    if (row < 0) continue
    const first = Math.floor(assignment / topK) * width
    for (let i = 0; i < width; i++) out.values[first + i]! += weights[assignment]! * outputs.values[row * width + i]!
  }
}
