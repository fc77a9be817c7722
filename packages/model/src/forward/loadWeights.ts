import { type Backend, planExpertSlab, planMatrixSlab, type Slab, type Span } from "@consilium/kernels"
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
  /** `numExperts` of them, or none where somebody else holds them; one in a dense layer. */
  readonly experts: readonly Slab[]
  readonly sharedExpert: Slab | undefined
}

export interface LoadOptions {
  /** False where somebody else holds the experts of layers with a router. */
  readonly holdsExperts: boolean
  /** Called with bytes done so far and in all: half of a slab's are done when it is read, half when it is open. */
  readonly onProgress?: ((doneBytes: number, totalBytes: number) => void) | undefined
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
 * Reads every slab into the arena, verifies it and opens it; slabs that the backend keeps in a form of its own give their bytes back then.
 *
 * @throws PreparedModelError on a damaged slab; everything opened until then is closed
 */
export function loadWeights(
  prepared: PreparedModel,
  backend: Backend,
  { holdsExperts, onProgress = () => {} }: LoadOptions,
): Weights {
  const { arena } = backend
  const entries = slabEntries(prepared, holdsExperts)
  const totalBytes = sumBytes(entries)
  const spans = new Map<SlabEntry, Span>()
  const slabs: Slab[] = []
  let doneBytes = 0
  let numBytes = 0

  const close = (): void => {
    for (const slab of slabs.splice(0)) backend.closeSlab(slab)
    for (const span of spans.values()) arena.free(span)
    spans.clear()
  }
  const addProgress = (bytes: number): void => {
    doneBytes += bytes / 2
    onProgress(doneBytes, totalBytes)
  }

  const readAll = (): void => {
    for (const entry of entries) spans.set(entry, arena.allocate(entry.bytes, "whole"))
    let numRead = 0
    prepared.readSlabs(
      arena,
      [...spans].map(([entry, span]) => ({ entry, span })),
      (numDone) => {
        // They are read about in order.
        while (numRead < numDone) addProgress(entries[numRead++]!.bytes)
      },
    )
    while (numRead < entries.length) addProgress(entries[numRead++]!.bytes)
  }

  const open = (entry: SlabEntry): Slab => {
    const { shape } = entry
    const span = spans.get(entry)!
    const slab = backend.openSlab(span, shape.kind === "matrix" ? planMatrixSlab(shape) : planExpertSlab(shape))
    slabs.push(slab)
    if (!slab.readsArena) {
      spans.delete(entry)
      arena.free(span)
    }
    numBytes += backend.numBytes(slab)
    addProgress(entry.bytes)
    return slab
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
    readAll()
    const embedding = openMatrix(prepared.embedding)
    const layers = prepared.layers.map((layer): LayerSlabs => ({
      prepared: layer,
      qkv: open(layer.qkv),
      outProj: open(layer.outProj),
      router: openIf(layer.router),
      experts: heldExperts(layer, holdsExperts).map(open),
      sharedExpert: openIf(layer.sharedExpert),
    }))
    const head = prepared.head === prepared.embedding ? embedding : openMatrix(prepared.head)
    return { embedding, head, layers, numBytes, close }
  } catch (error) {
    close()
    throw error
  }
}

/** Bytes of the slabs of a prepared model: all of them, and those of its layers' experts alone. */
export function weightBytes(prepared: PreparedModel): { readonly all: number; readonly experts: number } {
  const all = sumBytes(slabEntries(prepared, true))
  return { all, experts: all - sumBytes(slabEntries(prepared, false)) }
}

function sumBytes(entries: readonly SlabEntry[]): number {
  return entries.reduce((sum, { bytes }) => sum + bytes, 0)
}

/** A layer's experts that are loaded with the rest: a dense layer's network always. */
function heldExperts({ router, experts }: PreparedLayer, holdsExperts: boolean): readonly SlabEntry[] {
  return holdsExperts || router === undefined ? experts : []
}

/** Lists the slabs that are loaded, each once, in the order in which they are opened. */
function slabEntries({ embedding, head, layers }: PreparedModel, holdsExperts: boolean): SlabEntry[] {
  const vocabulary = ({ parts }: SplitMatrix): SlabEntry[] => parts.map(({ slab }) => slab)
  return [
    ...vocabulary(embedding),
    ...layers.flatMap((layer) => [
      layer.qkv,
      layer.outProj,
      ...(layer.router === undefined ? [] : [layer.router]),
      ...heldExperts(layer, holdsExperts),
      ...(layer.sharedExpert === undefined ? [] : [layer.sharedExpert]),
    ]),
    ...(head === embedding ? [] : vocabulary(head)),
  ]
}
