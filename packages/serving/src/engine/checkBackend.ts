import { type Backend, createReferenceBackend, type Format, packExpertSlab, planExpertSlab } from "@consilium/kernels"
import { noise } from "@consilium/tensor"

const SHAPE = { hiddenSize: 96, intermediateSize: 72, activation: "silu", hasGateProj: true, hasBias: false } as const
const NUM_ROWS = 3
/** Largest difference from the reference in the same format, as a share of the largest value. */
const BOUNDS: Readonly<Record<Format, number>> = { f32: 1e-4, int8: 1e-3, int4: 3e-2 }

/** Runs one small expert in each format against the reference; returns what went wrong, in one line, or undefined. */
export function checkBackend(backend: Backend): string | undefined {
  for (const format of ["f32", "int8", "int4"] as const) {
    const found = runExpert(backend, format)
    const expected = runExpert(createReferenceBackend(backend.arena), format)
    const largest = expected.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
    const worst = expected.reduce((most, value, i) => Math.max(most, Math.abs(value - found[i]!)), 0)
    if (!(worst <= BOUNDS[format] * largest)) return `${format}: largest error ${worst}, bound ${BOUNDS[format] * largest}`
  }
  return undefined
}

function runExpert(backend: Backend, format: Format): Float32Array {
  const { arena } = backend
  const { hiddenSize, intermediateSize } = SHAPE
  const layout = planExpertSlab({ ...SHAPE, format })
  const span = arena.allocate(layout.bytes)
  packExpertSlab(arena.bytes(span), layout, {
    gateProj: noise(intermediateSize * hiddenSize, 1, 0.1),
    upProj: noise(intermediateSize * hiddenSize, 2, 0.1),
    downProj: noise(hiddenSize * intermediateSize, 3, 0.1),
  })
  const slab = backend.openSlab(span, layout)
  const [x, out] = [arena.rows(NUM_ROWS, hiddenSize), arena.rows(NUM_ROWS, hiddenSize)]
  x.values.set(noise(NUM_ROWS * hiddenSize, 4, 1))
  try {
    backend.expert(out, x, 0, NUM_ROWS, slab)
    return out.values.slice()
  } finally {
    backend.closeSlab(slab)
    for (const used of [span, x.span, out.span]) arena.free(used)
  }
}
