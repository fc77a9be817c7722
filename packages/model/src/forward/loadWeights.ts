import { type Backend, planExpertSlab, planMatrixSlab, type Slab } from "@consilium/kernels"
import type { PreparedLayer, PreparedModel, SlabEntry, SplitMatrix } from "../prepared/PreparedModel.ts"

/** A vocabulary matrix whose rows may be spread over several slabs. */
export interface VocabularyMatrix {
  readonly numRows: number
  readonly parts: readonly VocabularyPart[]
}

/** Rows `firstRow .. firstRow + numRows` of a vocabulary matrix. */
export interface VocabularyPart {
  readonly firstRow: number
  readonly numRows: number
  readonly slab: Slab
}

/** One layer's open slabs. Vectors (norms, gates) stay in `prepared`. */
export interface LayerSlabs {
  readonly prepared: PreparedLayer
  readonly qkv: Slab
  readonly outProj: Slab
  readonly router: Slab | undefined
  /** `numExperts` of them; one in a dense layer. */
  readonly experts: readonly Slab[]
  readonly sharedExpert: Slab | undefined
}

/** A prepared model's weights, ready to compute with. */
export interface Weights {
  readonly embedding: VocabularyMatrix
  readonly head: VocabularyMatrix
  readonly layers: readonly LayerSlabs[]
  /** Bytes that the slabs hold, as their backend counts them. */
  readonly numBytes: number
  close(): void
}

/**
 * Reads every slab into the arena, verifies it and opens it; slabs that the backend keeps in a form of its own give their bytes back at once.
 *
 * @param onProgress called with bytes read so far and in all, after each slab
 * @throws PreparedModelError on a damaged slab; everything opened until then is closed
 */
export function loadWeights(
  prepared: PreparedModel,
  backend: Backend,
  onProgress: (doneBytes: number, totalBytes: number) => void = () => {},
): Weights {
  const { arena } = backend
  const totalBytes = weightBytes(prepared)
  const releases: (() => void)[] = []
  let doneBytes = 0
  let numBytes = 0

  const close = (): void => {
    for (const release of releases.splice(0).reverse()) release()
  }

  const open = (entry: SlabEntry): Slab => {
    const { shape } = entry
    const layout = shape.kind === "matrix" ? planMatrixSlab(shape) : planExpertSlab(shape)
    const span = arena.allocate(entry.bytes, "whole")
    let slab: Slab | undefined
    try {
      prepared.readSlab(arena.bytes(span), entry)
      slab = backend.openSlab(span, layout)
    } finally {
      if (slab?.readsArena !== true) arena.free(span)
    }
    const opened = slab
    releases.push(() => {
      backend.closeSlab(opened)
      if (opened.readsArena) arena.free(span)
    })
    numBytes += backend.numBytes(opened)
    doneBytes += entry.bytes
    onProgress(doneBytes, totalBytes)
    return opened
  }
  const openIf = (entry: SlabEntry | undefined): Slab | undefined => (entry === undefined ? undefined : open(entry))

  const openMatrix = ({ parts }: SplitMatrix): VocabularyMatrix => {
    const opened = parts.map(({ firstRow, slab }) => {
      const { shape } = slab
      if (shape.kind !== "matrix") throw new Error("a vocabulary matrix is not an expert")
      return { firstRow, numRows: shape.numRows, slab: open(slab) }
    })
    return { numRows: opened.reduce((sum, part) => sum + part.numRows, 0), parts: opened }
  }

  try {
    const embedding = openMatrix(prepared.embedding)
    const layers = prepared.layers.map((layer): LayerSlabs => ({
      prepared: layer,
      qkv: open(layer.qkv),
      outProj: open(layer.outProj),
      router: openIf(layer.router),
      experts: layer.experts.map(open),
      sharedExpert: openIf(layer.sharedExpert),
    }))
    const head = prepared.head === prepared.embedding ? embedding : openMatrix(prepared.head)
    return { embedding, head, layers, numBytes, close }
  } catch (error) {
    close()
    throw error
  }
}

/** Bytes of all slabs of a prepared model, each counted once. */
export function weightBytes(prepared: PreparedModel): number {
  const ofMatrix = ({ parts }: SplitMatrix): number => parts.reduce((sum, { slab }) => sum + slab.bytes, 0)
  const vocabulary = prepared.head === prepared.embedding ? [prepared.embedding] : [prepared.embedding, prepared.head]
  const layers = prepared.layers.flatMap(({ qkv, outProj, router, experts, sharedExpert }) =>
    [qkv, outProj, router, sharedExpert, ...experts].map((entry) => entry?.bytes ?? 0),
  )
  return [...vocabulary.map(ofMatrix), ...layers].reduce((sum, bytes) => sum + bytes, 0)
}
