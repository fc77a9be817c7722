/**
 * On x64 a row has the same bits whether it is computed alone, in a chunk, or in a batch, on one host or several: every operation but attention, which has
 * a test of its own.
 */
import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test"
import { noise } from "@consilium/tensor"
import fc from "fast-check"
import type { Rows } from "../src/Arena.ts"
import type { Backend, Slab } from "../src/Backend.ts"
import { expertNoise } from "../src/caseSlabs.ts"
import { createArena } from "../src/createArena.ts"
import { planExpertRows } from "../src/expertsCases.ts"
import { packExpertSlab, packMatrixSlab } from "../src/packSlab.ts"
import { type Format, planExpertSlab, planMatrixSlab } from "../src/SlabLayout.ts"
import { openX64Variant, X64_VARIANTS } from "./x64Variants.ts"

// Emitting all kernels takes a while on a busy machine.
setDefaultTimeout(60_000)

/** Wide enough that products and rows are cut into several tasks. */
const [NUM_ROWS, WIDTH, OUT_WIDTH, INTERMEDIATE_SIZE] = [130, 600, 200, 90]
const [NUM_EXPERTS, TOP_K] = [5, 2]
const HOSTS = [1, 2, 3] as const
const NUM_RUNS = 12

const arena = createArena()
afterAll(() => arena.close())

/** Rows of very different sizes, so that a scale shared between them would show; one is zeros. */
const inputs = noise(NUM_ROWS * WIDTH, 5, 1).map((value, i) => {
  const row = Math.floor(i / WIDTH)
  return row === 77 ? 0 : value * 10 ** ((row % 5) - 2)
})
const factors = noise(NUM_ROWS, 6, 1)
const normWeight = noise(WIDTH, 7, 1)
/** Expert 1 has nearly half of all rows; some are dropped. */
const expertId = (token: number, rank: number): number =>
  rank === 0 && token % 8 > 0 ? 1 : [0, 2, 3, 4, -1][(token + rank) % 5]!
const allWeights = noise(NUM_ROWS * TOP_K, 8, 1)

/** An operation on rows `first .. first + numRows` of the inputs. */
interface RowOp {
  readonly outWidth: number
  run(backend: Backend, out: Rows, x: Rows, first: number, numRows: number): void
}

/** Slabs of one format, open on one backend. */
function openSlabs(backend: Backend, format: Format): { matrix: Slab; experts: readonly Slab[] } {
  const matrix = planMatrixSlab({ format, numRows: OUT_WIDTH, numColumns: WIDTH, hasBias: true })
  const span = arena.allocate(matrix.bytes)
  packMatrixSlab(arena.bytes(span), matrix, noise(OUT_WIDTH * WIDTH, 1, 0.1), noise(OUT_WIDTH, 2, 0.1))
  const shape = {
    format,
    hiddenSize: WIDTH,
    intermediateSize: INTERMEDIATE_SIZE,
    activation: "silu",
    hasGateProj: true,
    hasBias: false,
  } as const
  const layout = planExpertSlab(shape)
  const experts = Array.from({ length: NUM_EXPERTS }, (_, e) => {
    const expertSpan = arena.allocate(layout.bytes)
    packExpertSlab(arena.bytes(expertSpan), layout, expertNoise(shape, 10 * e))
    return backend.openSlab(expertSpan, layout)
  })
  return { matrix: backend.openSlab(span, matrix), experts }
}

function opsOf(slabsOf: (backend: Backend) => ReturnType<typeof openSlabs>): Record<string, RowOp> {
  return {
    matmul: {
      outWidth: OUT_WIDTH,
      run: (backend, out, x, _, numRows) => backend.matmul(out, x, numRows, slabsOf(backend).matrix),
    },
    expert: {
      outWidth: WIDTH,
      run: (backend, out, x, _, numRows) => backend.expert(out, x, 0, numRows, slabsOf(backend).experts[0]!),
    },
    experts: {
      outWidth: WIDTH,
      run(backend, out, x, first, numRows) {
        const batch = { name: "", numTokens: numRows, topK: TOP_K, numExperts: NUM_EXPERTS }
        const plan = planExpertRows({ ...batch, expertId: (token, rank) => expertId(first + token, rank) })
        const outputs = arena.rows(plan.order.length, WIDTH)
        const weights = allWeights.slice(first * TOP_K, (first + numRows) * TOP_K)
        backend.experts!(outputs, x, plan, slabsOf(backend).experts)
        backend.combine!(out, outputs, { ...plan, weights })
        arena.free(outputs.span)
      },
    },
  }
}

const ROW_OPS: Record<string, RowOp> = {
  norm: { outWidth: WIDTH, run: (backend, out, x, _, numRows) => backend.norm(out, x, numRows, normWeight, 1e-6) },
  addScaled: {
    outWidth: WIDTH,
    run: (backend, out, x, first, numRows) => backend.addScaled(out, x, numRows, factors.slice(first, first + numRows)),
  },
}

/** Runs an operation on rows `first .. first + numRows`, which lie at the start of memory of their own. */
function runOp(op: RowOp, backend: Backend, input: Float32Array, first: number, numRows: number): Float32Array {
  const [x, out] = [arena.rows(numRows, WIDTH), arena.rows(numRows, op.outWidth)]
  x.values.set(input.subarray(first * WIDTH, (first + numRows) * WIDTH))
  out.values.fill(0.5)
  op.run(backend, out, x, first, numRows)
  const values = out.values.slice()
  for (const { span } of [x, out]) arena.free(span)
  return values
}

/** Bits, so that NaN equals itself and zeros differ in sign. */
function bits(values: Float32Array): Int32Array {
  return new Int32Array(values.buffer, values.byteOffset, values.length)
}

/** Lengths of consecutive chunks of all rows. */
const chunks = fc.array(
  fc.oneof(fc.constantFrom(1, 2, 4, 5, 16, 17, 32, 33, 64, 65, NUM_ROWS), fc.integer({ min: 1, max: NUM_ROWS })),
  {
    minLength: NUM_ROWS,
    maxLength: NUM_ROWS,
  },
)

for (const variant of X64_VARIANTS) {
  describe(`x64, ${variant.name}`, () => {
    let backends: Backend[] = []
    beforeAll(() => {
      backends = HOSTS.map((numThreads) => openX64Variant(arena, variant, numThreads))
    })
    afterAll(() => {
      for (const backend of backends) backend.close()
    })

    const expectSameBits = (op: RowOp): void => {
      const alone = Array.from({ length: NUM_ROWS }, (_, row) => runOp(op, backends[0]!, inputs, row, 1))
      expect(alone.every((row) => row.every(Number.isFinite))).toBe(true)
      fc.assert(
        fc.property(fc.constantFrom(...HOSTS.keys()), chunks, (host, lengths) => {
          for (let c = 0, first = 0; first < NUM_ROWS; first += lengths[c++]!) {
            const numRows = Math.min(lengths[c]!, NUM_ROWS - first)
            const found = runOp(op, backends[host]!, inputs, first, numRows)
            for (let row = 0; row < numRows; row++) {
              const [own, expected] = [found.subarray(row * op.outWidth, (row + 1) * op.outWidth), alone[first + row]!]
              const differs = bits(own).findIndex((bit, i) => bit !== bits(expected)[i])
              if (differs >= 0)
                throw new Error(
                  `row ${row} of ${numRows} from ${first} on: ${differs} is ${own[differs]}, alone ${expected[differs]}`,
                )
            }
          }
        }),
        { numRuns: NUM_RUNS },
      )
    }

    const expectFaultStaysInRow = (op: RowOp, fault: number): void => {
      const clean = runOp(op, backends[2]!, inputs, 0, NUM_ROWS)
      const broken = inputs.slice()
      broken[70 * WIDTH + 599] = fault
      const found = runOp(op, backends[2]!, broken, 0, NUM_ROWS)
      const [begin, end] = [70 * op.outWidth, 71 * op.outWidth]
      expect(found.subarray(begin, end).every(Number.isFinite)).toBe(false)
      found.set(clean.subarray(begin, end), begin)
      expect(bits(found)).toEqual(bits(clean))
    }

    for (const format of ["f32", "int8", "int4"] as const) {
      const opened = new Map<Backend, ReturnType<typeof openSlabs>>()
      const ops = opsOf((backend) => {
        if (!opened.has(backend)) opened.set(backend, openSlabs(backend, format))
        return opened.get(backend)!
      })
      for (const [name, op] of Object.entries(ops)) {
        test(`${name}, ${format}: bits do not depend on batch, chunk and hosts, and a fault stays in its row`, () => {
          expectSameBits(op)
          for (const fault of [Number.NaN, Number.NEGATIVE_INFINITY]) expectFaultStaysInRow(op, fault)
        })
      }
    }
    for (const [name, op] of Object.entries(ROW_OPS)) {
      test(`${name}: bits do not depend on batch, chunk and hosts, and NaN stays in its row`, () => {
        expectSameBits(op)
        expectFaultStaysInRow(op, Number.NaN)
      })
    }
  })
}
