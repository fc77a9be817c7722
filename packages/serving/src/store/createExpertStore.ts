/**
 * The experts of a running model: which are awake, in what memory, from which file, and what happens when one is wanted that sleeps.
 *
 * It gives each layer its source of experts and knows nothing of requests; who may use how much, and what follows from a fault, is decided outside.
 */
import type { ExpertSource } from "@consilium/experts"
import { type Backend, createReadQueue, type Span } from "@consilium/kernels"
import { alignPart, openDirect, type PreparedModel, type SlabEntry } from "@consilium/model"
import { createEvictionPolicy, DEFAULT_EVICTION } from "@consilium/scheduling"
import { closeSync } from "node:fs"
import { createLayerSource, type LayerSource, type LayerWatch } from "./createLayerSource.ts"
import { createExpertTable, type ExpertTable, STATE } from "./ExpertTable.ts"
import { createFramePool } from "./FramePool.ts"
import { createResidency, type Turn } from "./createResidency.ts"
import type { Residency, ResidencyLimits } from "./Residency.ts"

export interface ExpertStoreOptions {
  readonly prepared: PreparedModel
  readonly backend: Backend
  readonly watch: LayerWatch
  /** Computes with experts that the backend fails on. */
  readonly standIn: Backend
}

export interface ExpertStore {
  readonly table: ExpertTable
  readonly residency: Residency
  /** Bytes of a frame: what one awake expert takes, or more where the backend keeps a form of its own. */
  readonly frameBytes: number
  /** Returns the source of a layer with a router. */
  source(layer: number): ExpertSource
  /**
   * Sets how much awake experts may hold, and wakes them all where they fit; else each when it is wanted. Called once, before the first step.
   *
   * @throws PreparedModelError on a damaged slab
   */
  start(budgetBytes: number, onProgress?: (doneBytes: number, totalBytes: number) => void): void
  /** Makes the next reads slow, as a fault. */
  slowDisk(numReads: number): void
  /** Whether an instance may be put to sleep now: no layer that has begun still needs it. */
  mayEvict(instance: number): boolean
  close(): void
}

/** Threads that read: a disk wants several reads at once. */
const NUM_READERS = 3

/** Opens the store of a model's experts, all asleep. @throws PreparedModelError when their file cannot be read */
export function createExpertStore(options: ExpertStoreOptions): ExpertStore {
  const { prepared, backend, watch, standIn } = options
  const { arena } = backend
  const handle = openDirect(prepared.slabsPath)
  const table = createExpertTable(prepared, handle)
  const entries = table.files.flatMap((file) => (file === undefined ? [] : [file.entry]))
  const frameBytes = alignPart(entries.reduce((most, { bytes }) => Math.max(most, bytes), 0))
  const pool = createFramePool(arena, frameBytes)
  const queue = createReadQueue(arena, NUM_READERS)
  const numExperts = table.layers[0]?.numInstances ?? 1
  const policy = createEvictionPolicy(DEFAULT_EVICTION, { numLayers: table.layers.length, numExperts })
  const turn: Turn = { step: 0, layer: table.layers.length }
  const limits: ResidencyLimits = {
    budgetBytes: 0,
    targets: Int32Array.from(table.layers, ({ numInstances }) => numInstances),
  }
  const residency = createResidency({ table, backend, standIn, pool, queue, policy, turn, limits })
  const sources = new Map<number, LayerSource>()
  for (const layer of table.layers) {
    const { format } = prepared.layers[layer.layer]!.experts[0]!.shape
    sources.set(layer.layer, createLayerSource({ table, layer, format, residency, policy, turn, watch, standIn }))
  }
  return {
    table,
    residency,
    frameBytes,
    source: (layer) => sources.get(layer)!,
    slowDisk: queue.slow,
    mayEvict(instance) {
      const { layer } = table.layers[table.layerOf[instance]!]!
      return !sources.get(layer)!.stillNeeds(instance)
    },
    start(budgetBytes, onProgress) {
      limits.budgetBytes = budgetBytes
      if (entries.length * frameBytes <= budgetBytes)
        wakeAll({ table, prepared, residency }, pool.take, backend, onProgress)
    },
    close() {
      residency.close()
      closeSync(handle)
    },
  }
}

/** Reads all experts, many at a time: what a start does where they all fit. */
function wakeAll(
  { table, prepared, residency }: { table: ExpertTable; prepared: PreparedModel; residency: Residency },
  takeFrame: () => Span,
  { arena }: Backend,
  onProgress: (doneBytes: number, totalBytes: number) => void = () => {},
): void {
  const targets: { instance: number; entry: SlabEntry; frame: Span; span: Span }[] = []
  for (let instance = 0; instance < table.numInstances; instance++) {
    const entry = table.files[instance]?.entry
    if (entry === undefined || table.states[instance] !== STATE.asleep) continue
    const frame = takeFrame()
    targets.push({ instance, entry, frame, span: { ...frame, bytes: entry.bytes } })
  }
  const totalBytes = targets.reduce((sum, { entry }) => sum + entry.bytes, 0)
  prepared.readSlabs(arena, targets, (numDone) => onProgress((numDone / targets.length) * totalBytes, totalBytes))
  for (const { instance, frame } of targets) residency.adopt(instance, frame)
}
