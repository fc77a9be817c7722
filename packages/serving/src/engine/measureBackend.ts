import { type Backend, packMatrixSlab, planMatrixSlab, type Rows, type Slab, type Span } from "@consilium/kernels"
import { noise } from "@consilium/tensor"

/** What products of a backend take: in 8 bits, with weights from memory. */
export interface BackendSpeed {
  /** Of one row. */
  readonly decodeMs: number
  /** Of `PREFILL_ROWS` rows. */
  readonly prefillMs: number
}

const PREFILL_ROWS = 128
const NUM_ROWS = 1024
const NUM_COLUMNS = 2048
/** One after the other, as in a step: none is in a processor's inner caches when its turn comes. */
const NUM_SLABS = 8
const NUM_RUNS = 5

/** Measures a backend by small products like those of a step; the best of a few runs. Milliseconds on a processor that is fast. @throws what its calls throw */
export function measureBackend(backend: Backend): BackendSpeed {
  const { arena } = backend
  const layout = planMatrixSlab({ format: "int8", numRows: NUM_ROWS, numColumns: NUM_COLUMNS, hasBias: false })
  const releases: (() => void)[] = []
  const takeSpan = (): Span => {
    const span = arena.allocate(layout.bytes)
    releases.push(() => arena.free(span))
    return span
  }
  const takeRows = (width: number): Rows => {
    const rows = arena.rows(PREFILL_ROWS, width)
    releases.push(() => arena.free(rows.span))
    return rows
  }
  try {
    const [x, out] = [takeRows(NUM_COLUMNS), takeRows(NUM_ROWS)]
    x.values.set(noise(x.values.length, 1, 1))
    const first = takeSpan()
    packMatrixSlab(arena.bytes(first), layout, noise(NUM_ROWS * NUM_COLUMNS, 2, 0.1))
    const spans = [first, ...Array.from({ length: NUM_SLABS - 1 }, takeSpan)]
    const slabs = spans.map((span): Slab => {
      if (span !== first) arena.bytes(span).set(arena.bytes(first))
      const slab = backend.openSlab(span, layout)
      releases.push(() => backend.closeSlab(slab))
      return slab
    })
    const measure = (numRows: number): number => {
      const runMs = (): number => {
        const startMs = performance.now()
        backend.beginStep?.()
        for (const slab of slabs) backend.matmul(out, x, numRows, slab)
        backend.read?.(out, numRows)
        backend.endStep?.()
        return (performance.now() - startMs) / NUM_SLABS
      }
      // The first makes ready what later ones find.
      runMs()
      return Math.min(...Array.from({ length: NUM_RUNS }, runMs))
    }
    return { decodeMs: measure(1), prefillMs: measure(PREFILL_ROWS) }
  } finally {
    for (const release of releases.reverse()) release()
  }
}

/** Whether an answer as long as its prompt takes less time with one than with the other. */
export function isFaster(one: BackendSpeed, other: BackendSpeed): boolean {
  const answerMs = ({ decodeMs, prefillMs }: BackendSpeed): number => prefillMs + PREFILL_ROWS * decodeMs
  return answerMs(one) < answerMs(other)
}

/** Says two speeds in a phrase. */
export function compareSpeeds(one: BackendSpeed, other: BackendSpeed): string {
  const ms = (value: number): string => value.toPrecision(2)
  return `a product of one row takes ${ms(one.decodeMs)} ms against ${ms(other.decodeMs)}, of ${PREFILL_ROWS} ${ms(one.prefillMs)} against ${ms(other.prefillMs)}`
}
