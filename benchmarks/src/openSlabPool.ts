import {
  type Backend,
  type ExpertShape,
  type MatrixShape,
  packExpertSlab,
  packMatrixSlab,
  planExpertSlab,
  planMatrixSlab,
  type Slab,
  type SlabLayout,
  type Span,
} from "@consilium/kernels"
import { noise } from "@consilium/tensor"

/** What a pool has many copies of. */
export type PoolShape = ({ readonly kind: "matrix" } & MatrixShape) | ({ readonly kind: "expert" } & ExpertShape)

/** One packed slab, ready to be copied: packing is slow, and copies of other numbers would be as fast to compute with. */
export interface PackedSlab {
  readonly layout: SlabLayout
  readonly bytes: Uint8Array
}

/** Copies of a slab, each with memory of its own. */
export interface SlabPool {
  readonly slabs: readonly Slab[]
  /** Bytes that a call reads of one: the format's own, where the backend computes with it as it is packed. */
  readonly slabBytes: number
  close(): void
}

/** Weights repeat after this many, a prime, so that no two rows are the same and large ones are made in no time. */
const PERIOD = 1_048_573

/** Packs random weights of a shape. */
export function packRandomSlab(shape: PoolShape): PackedSlab {
  if (shape.kind === "matrix") {
    const layout = planMatrixSlab(shape)
    const bytes = new Uint8Array(layout.bytes)
    packMatrixSlab(bytes, layout, randomWeights(shape.numRows * shape.numColumns, 1))
    return { layout, bytes }
  }
  const layout = planExpertSlab(shape)
  const bytes = new Uint8Array(layout.bytes)
  const size = shape.hiddenSize * shape.intermediateSize
  packExpertSlab(bytes, layout, {
    ...(shape.hasGateProj && { gateProj: randomWeights(size, 1) }),
    upProj: randomWeights(size, 2),
    downProj: randomWeights(size, 3),
  })
  return { layout, bytes }
}

/** Zero-mean weights of the size that trained ones have. */
function randomWeights(length: number, seed: number): Float32Array {
  const period = noise(Math.min(PERIOD, length), seed, 0.03)
  const weights = new Float32Array(length)
  for (let from = 0; from < length; from += PERIOD)
    weights.set(period.subarray(0, Math.min(PERIOD, length - from)), from)
  return weights
}

/**
 * Opens copies of a packed slab on a backend, as many as fill `poolBytes`, in whole groups of `groupSize`.
 *
 * Calls that take them in turns read weights from memory, as a model's layers do, if the pool is larger than any cache.
 *
 * @throws Error as the backend does, keeping nothing
 */
export function openSlabPool(
  backend: Backend,
  { layout, bytes }: PackedSlab,
  poolBytes: number,
  groupSize = 1,
): SlabPool {
  const { arena } = backend
  const open: { readonly slab: Slab; readonly span: Span }[] = []
  const close = (): void => {
    for (const { slab, span } of open.splice(0)) {
      backend.closeSlab(slab)
      if (slab.readsArena) arena.free(span)
    }
  }
  const openOne = (): Slab => {
    const span = arena.allocate(layout.bytes)
    try {
      arena.bytes(span).set(bytes)
      const slab = backend.openSlab(span, layout)
      if (!slab.readsArena) arena.free(span)
      open.push({ slab, span })
      return slab
    } catch (error) {
      arena.free(span)
      throw error
    }
  }
  try {
    const slabBytes = backend.numBytes(openOne())
    while (open.length * slabBytes < poolBytes || open.length % groupSize !== 0) openOne()
    return { slabs: open.map(({ slab }) => slab), slabBytes, close }
  } catch (error) {
    close()
    throw error
  }
}
