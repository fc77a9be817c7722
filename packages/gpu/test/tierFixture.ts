/** A small layer of experts for tests of tiers: slabs, rows, a plan, and a step of them. */
import { expect } from "bun:test"
import {
  bestIsa,
  composeBackends,
  createArena,
  createReferenceBackend,
  createX64Backend,
  packExpertSlab,
  packMatrixSlab,
  planExpertSlab,
  planMatrixSlab,
  runnableIsas,
  type Backend,
  type ExpertRows,
  type Format,
  type Slab,
} from "@consilium/kernels"
import { noise } from "@consilium/tensor"
import { createFakeDevice, type FakeDevice } from "./createFakeDevice.ts"
import { createTieredBackend, type TieredBackend } from "../src/index.ts"

export const arena = createArena()
export const reference = createReferenceBackend(arena)

export const WIDTH = 64
const NUM_EXPERTS = 4
export const NUM_TOKENS = 6
const TOP_K = 2

/** What a tier is made with, and what it tells: begun anew by each test. */
export const given = begin()

function begin() {
  return {
    ms: 0,
    problem: undefined as string | undefined,
    changes: [] as string[],
    budgetBytes: Number.POSITIVE_INFINITY,
  }
}

/** Begins a test. */
export function beginTest(): void {
  Object.assign(given, begin())
}

export const tierOf = (device: FakeDevice, home: Backend = createReferenceBackend(arena)): TieredBackend =>
  createTieredBackend(device, home, {
    budgetBytes: given.budgetBytes,
    nowMs: () => given.ms,
    probe: () => given.problem,
    onChange: (detail) => given.changes.push(detail),
  })

/** Homes with and without experts that run together. */
export const homes = (): [string, () => Backend][] => [
  ["reference", () => createReferenceBackend(arena)],
  ...(runnableIsas().length > 0
    ? [
        [
          "x64",
          () => composeBackends(arena, [createX64Backend(arena, { isa: bestIsa(), numThreads: 1 }), reference]),
        ] as [string, () => Backend],
      ]
    : []),
]

const expertLayout = (format: Format) =>
  planExpertSlab({
    hiddenSize: WIDTH,
    intermediateSize: 32,
    activation: "silu",
    hasGateProj: true,
    hasBias: false,
    format,
  })
export const spans = Array.from({ length: NUM_EXPERTS }, (_, e) => {
  const layout = expertLayout("f32")
  const span = arena.allocate(layout.bytes)
  const [gateProj, upProj, downProj] = [1, 2, 3].map((i) => noise(WIDTH * 32, 10 * e + i, 0.1))
  packExpertSlab(arena.bytes(span), layout, { gateProj: gateProj!, upProj: upProj!, downProj: downProj! })
  return { span, layout }
})
export const matrix = planMatrixSlab({ format: "f32", numRows: WIDTH, numColumns: WIDTH, hasBias: false })
const matrixSpan = arena.allocate(matrix.bytes)
packMatrixSlab(arena.bytes(matrixSpan), matrix, noise(WIDTH * WIDTH, 77, 0.1))

/** Each token goes to two experts that follow one another. */
const plan: ExpertRows = (() => {
  const ids = Array.from({ length: NUM_TOKENS * TOP_K }, (_, a) => (Math.floor(a / TOP_K) + (a % TOP_K)) % NUM_EXPERTS)
  const order = Int32Array.from([...ids.keys()].sort((a, b) => ids[a]! - ids[b]! || a - b))
  const rows = Int32Array.from(ids, (_, a) => order.indexOf(a))
  const offsets = Int32Array.from({ length: NUM_EXPERTS + 1 }, (_, e) => ids.filter((id) => id < e).length)
  return { numTokens: NUM_TOKENS, topK: TOP_K, order, offsets, rows, weights: noise(ids.length, 5, 1) }
})()

export const rows = {
  x: arena.rows(NUM_TOKENS, WIDTH),
  hidden: arena.rows(NUM_TOKENS, WIDTH),
  outputs: arena.rows(NUM_TOKENS * TOP_K, WIDTH),
  out: arena.rows(NUM_TOKENS, WIDTH),
}

/** A step in small: a norm, a product, a layer of experts in the turns given, a residual. Returns what it makes of the same input. */
export function runStep(
  backend: Backend,
  dense: Slab,
  slabs: readonly Slab[],
  turns: readonly (readonly number[])[],
): Float32Array {
  const { x, hidden, outputs, out } = rows
  backend.beginStep?.()
  x.values.set(noise(NUM_TOKENS * WIDTH, 3, 1))
  // What another step has left must not pass for this one's.
  for (const { values } of [hidden, outputs, out]) values.fill(Number.NaN)
  for (const of of [x, outputs, out]) backend.wrote?.(of)
  backend.norm(hidden, x, NUM_TOKENS, noise(WIDTH, 4, 1), 1e-5)
  backend.matmul(x, hidden, NUM_TOKENS, dense)
  for (const turn of turns) {
    const ready = slabs.map((slab, e) => (turn.includes(e) ? slab : undefined))
    if (backend.experts !== undefined) backend.experts(outputs, x, plan, ready)
  }
  backend.combine!(out, outputs, plan)
  backend.addScaled(out, hidden, NUM_TOKENS)
  backend.read?.(out, NUM_TOKENS)
  backend.sync?.()
  const found = out.values.slice()
  backend.endStep?.()
  return found
}

export const ALL = [[0, 1, 2, 3]]
export const openAll = (tier: TieredBackend): { dense: Slab; slabs: Slab[] } => ({
  slabs: spans.map(({ span, layout }) => tier.openAtHome(span, layout)),
  dense: tier.openSlab(matrixSpan, matrix),
})
/** What a device that holds all makes of it, without a tier. */
const expected = ((): Float32Array => {
  const alone = createFakeDevice(arena, { keepsRows: false })
  const slabs = spans.map(({ span, layout }) => alone.openSlab(span, layout))
  return runStep(alone, alone.openSlab(matrixSpan, matrix), slabs, ALL)
})()
export const expectClose = (found: Float32Array): void => {
  for (const [i, value] of expected.entries()) expect(Math.abs(found[i]! - value), `at ${i}`).toBeLessThan(1e-4)
}
