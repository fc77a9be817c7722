/** The one table of small cases that every backend must pass, against the reference: in tests, and at start before it is trusted. */
import { noise } from "@consilium/tensor"
import type { Rows } from "./Arena.ts"
import type { AttentionLayer, Backend, Slab } from "./Backend.ts"
import { packExpertSlab, packMatrixSlab } from "./packSlab.ts"
import { type ExpertShape, type Format, type MatrixShape, planExpertSlab, planMatrixSlab } from "./SlabLayout.ts"

/** Something small to compute. */
export interface BackendCase {
  readonly name: string
  /** Largest difference from the reference in the same format, as a share of the largest value. */
  readonly bound: number
  /** Computes it; frees what it took. Undefined where the backend does not support the operation on the format. */
  run(backend: Backend): Float32Array | undefined
}

/** Backends may sum f32 in another order, scale integers in another order, and quantise activations of int4 by the block. */
const BOUNDS: Readonly<Record<Format, number>> = { f32: 1e-4, int8: 1e-3, int4: 4e-2 }
const FORMATS: readonly Format[] = ["f32", "int8", "int4"]
/** Positions of an attention case's cache, and of its first call. */
const CAPACITY = 12
const PREFILL = 6

export const BACKEND_CASES: readonly BackendCase[] = [
  ...FORMATS.flatMap((format) => [
    matmulCase({ format, numRows: 64, numColumns: 64, hasBias: false }, 1),
    matmulCase({ format, numRows: 70, numColumns: 130, hasBias: true }, 5),
    matmulCase({ format, numRows: 33, numColumns: 1, hasBias: false }, 2),
    expertCase(
      { format, hiddenSize: 64, intermediateSize: 128, activation: "silu", hasGateProj: true, hasBias: false },
      4,
    ),
    expertCase(
      { format, hiddenSize: 96, intermediateSize: 72, activation: "silu", hasGateProj: true, hasBias: true },
      1,
    ),
    expertCase(
      { format, hiddenSize: 40, intermediateSize: 33, activation: "relu", hasGateProj: false, hasBias: true },
      37,
    ),
  ]),
  ...(["f32", "int8"] as const).map((format) => embedCase({ format, numRows: 50, numColumns: 72, hasBias: false })),
  attendCase("grouped queries, two slots", { numHeads: 4, numKvHeads: 2, headDim: 16 }),
  attendCase("sliding window, norm per head", {
    numHeads: 2,
    numKvHeads: 2,
    headDim: 24,
    slidingWindow: 3,
    norm: "head",
  }),
  attendCase("one key head, norm over the projection, interleaved pairs", {
    numHeads: 3,
    numKvHeads: 1,
    headDim: 8,
    norm: "projection",
    isInterleaved: true,
  }),
]

/** Runs every case against the reference; returns what went wrong, a line each. */
export function checkBackend(backend: Backend, reference: Backend): string[] {
  return BACKEND_CASES.flatMap((item) => {
    const problem = checkCase(item, backend, reference)
    return problem === undefined ? [] : [problem]
  })
}

/** Runs one case against the reference; returns what went wrong, or undefined. */
export function checkCase({ name, bound, run }: BackendCase, backend: Backend, reference: Backend): string | undefined {
  const found = run(backend)
  if (found === undefined) return undefined
  const expected = run(reference)!
  const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
  const worst = expected.reduce((most, value, i) => Math.max(most, Math.abs(value - found[i]!)), 0)
  return worst <= bound * largest ? undefined : `${name}: largest error ${worst}, bound ${bound * largest}`
}

function matmulCase(shape: MatrixShape, numRows: number): BackendCase {
  const { format, numRows: outWidth, numColumns, hasBias } = shape
  return {
    name: `matmul ${format} ${numRows} × ${numColumns} → ${outWidth}${hasBias ? " with bias" : ""}`,
    bound: BOUNDS[format],
    run: (backend) =>
      backend.supports("matmul", format)
        ? withMatrix(backend, shape, (slab) =>
            withRows(backend, numRows, outWidth, numColumns, (out, x) => backend.matmul(out, x, numRows, slab)),
          )
        : undefined,
  }
}

function embedCase(shape: MatrixShape): BackendCase {
  const ids = Int32Array.of(49, 0, 7, 7)
  return {
    name: `embed ${shape.format}`,
    bound: 1e-6,
    run: (backend) =>
      backend.supports("embed", shape.format)
        ? withMatrix(backend, shape, (slab) =>
            withRows(backend, ids.length, shape.numColumns, 1, (out) => backend.embed(out, ids, ids.length, slab)),
          )
        : undefined,
  }
}

function expertCase(shape: ExpertShape, numRows: number): BackendCase {
  const { format, hiddenSize, intermediateSize, activation, hasGateProj, hasBias } = shape
  const layout = planExpertSlab(shape)
  const [inner, bias] = [intermediateSize * hiddenSize, hasBias]
  return {
    name: `expert ${format} ${activation} ${hiddenSize} → ${intermediateSize}, ${numRows} rows${hasGateProj ? "" : ", no gate"}${hasBias ? ", biases" : ""}`,
    bound: BOUNDS[format],
    run(backend) {
      if (!backend.supports("expert", format)) return undefined
      const tensors = {
        ...(hasGateProj && { gateProj: noise(inner, 1, 0.1) }),
        upProj: noise(inner, 2, 0.1),
        downProj: noise(inner, 3, 0.1),
        ...(hasGateProj && bias && { gateBias: noise(intermediateSize, 4, 0.1) }),
        ...(bias && { upBias: noise(intermediateSize, 5, 0.1), downBias: noise(hiddenSize, 6, 0.1) }),
      }
      return withSlab(
        backend,
        layout,
        (bytes) => packExpertSlab(bytes, layout, tensors),
        (slab) =>
          withRows(backend, numRows, hiddenSize, hiddenSize, (out, x) => backend.expert(out, x, 0, numRows, slab)),
      )
    },
  }
}

interface AttendShape extends Pick<AttentionLayer, "numHeads" | "numKvHeads" | "headDim"> {
  readonly slidingWindow?: number
  readonly norm?: "head" | "projection"
  readonly isInterleaved?: boolean
}

/** A prefill of two slots in one call, then a decode row of each. */
function attendCase(name: string, shape: AttendShape): BackendCase {
  const { numHeads, numKvHeads, headDim, slidingWindow = Number.POSITIVE_INFINITY, norm, isInterleaved = false } = shape
  const width = (numHeads + 2 * numKvHeads) * headDim
  const angles = Float32Array.from(
    { length: (CAPACITY * headDim) / 2 },
    (_, i) => Math.floor(i / (headDim / 2)) / (1 + (i % (headDim / 2))),
  )
  const normWidth = (heads: number): number => (norm === "head" ? headDim : heads * headDim)
  const layer: AttentionLayer = {
    numHeads,
    numKvHeads,
    headDim,
    slidingWindow,
    scale: 1 / Math.sqrt(headDim),
    rope: { cos: angles.map(Math.cos), sin: angles.map(Math.sin), rotaryDim: headDim, isInterleaved },
    qkNorm: norm && {
      over: norm,
      epsilon: 1e-6,
      q: noise(normWidth(numHeads), 11, 1),
      k: noise(normWidth(numKvHeads), 12, 1),
    },
  }
  return {
    name: `attend: ${name}`,
    bound: 1e-4,
    run(backend) {
      const { arena } = backend
      const slots = [0, 1].map(() => ({
        keys: arena.rows(numKvHeads * CAPACITY, headDim),
        values: arena.rows(numKvHeads * CAPACITY, headDim),
        capacity: CAPACITY,
      }))
      const step = (numRows: number, pastLength: number): Float32Array =>
        withRows(backend, 2 * numRows, numHeads * headDim, width, (out, qkv) =>
          backend.attend(
            out,
            qkv,
            slots.map((slot, s) => ({ ...slot, firstRow: s * numRows, numRows, pastLength })),
            layer,
          ),
        )
      const results = [...step(PREFILL, 0), ...step(1, PREFILL), ...step(2, PREFILL + 1)]
      for (const { keys, values } of slots) for (const { span } of [keys, values]) arena.free(span)
      return Float32Array.from(results)
    },
  }
}

function withMatrix(backend: Backend, shape: MatrixShape, body: (slab: Slab) => Float32Array): Float32Array {
  const layout = planMatrixSlab(shape)
  const { numRows, numColumns, hasBias } = shape
  const pack = (bytes: Uint8Array): void =>
    packMatrixSlab(bytes, layout, noise(numRows * numColumns, 1, 0.1), hasBias ? noise(numRows, 2, 0.1) : undefined)
  return withSlab(backend, layout, pack, body)
}

function withSlab<T>(
  backend: Backend,
  layout: Slab["layout"],
  pack: (bytes: Uint8Array) => void,
  body: (slab: Slab) => T,
): T {
  const span = backend.arena.allocate(layout.bytes)
  pack(backend.arena.bytes(span))
  const slab = backend.openSlab(span, layout)
  try {
    return body(slab)
  } finally {
    backend.closeSlab(slab)
    backend.arena.free(span)
  }
}

/** Runs `body` with rows of noise as x; returns what it wrote to `out`. */
function withRows(
  backend: Backend,
  numRows: number,
  outWidth: number,
  inWidth: number,
  body: (out: Rows, x: Rows) => void,
): Float32Array {
  const { arena } = backend
  const [out, x] = [arena.rows(numRows, outWidth), arena.rows(numRows, inWidth)]
  x.values.set(noise(numRows * inWidth, 7, 1))
  body(out, x)
  const result = out.values.slice()
  for (const { span } of [out, x]) arena.free(span)
  return result
}
