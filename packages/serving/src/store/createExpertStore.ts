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
import { createFramePool, type FramePool } from "./FramePool.ts"
import { createResidency, type Turn } from "./createResidency.ts"
import type { Residency, ResidencyLimits } from "./Residency.ts"

export interface ExpertStoreOptions {
  readonly prepared: PreparedModel
  readonly backend: Backend
  readonly watch: LayerWatch
  /** Computes with experts that the backend fails on. */
  readonly standIn: Backend
  /** Returns the memory domain for an instance, another than `other` where there is another. */
  readonly domainFor: (instance: number, other?: number) => number
}

interface StoreStart {
  /** Requests are in flight that an earlier engine of this service has answered so far. */
  readonly isRestart?: boolean
  readonly onProgress?: (doneBytes: number, totalBytes: number) => void
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
   * @throws PreparedModelError on a damaged slab, unless the start is a restart: then experts sleep, and the damaged one's fault is its own
   */
  start(budgetBytes: number, options?: StoreStart): void
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
  const { prepared, backend, watch, standIn, domainFor } = options
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
  const residency = createResidency({ table, backend, standIn, pool, queue, policy, turn, limits, domainFor })
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
    start(budgetBytes, options = {}) {
      limits.budgetBytes = budgetBytes
      if (entries.length * frameBytes <= budgetBytes)
        wakeAll({ table, prepared, residency }, { pool, domainFor }, backend, options)
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
  { pool, domainFor }: { pool: FramePool; domainFor: (instance: number) => number },
  { arena }: Backend,
  { isRestart = false, onProgress = () => {} }: StoreStart,
): void {
  const targets: { instance: number; entry: SlabEntry; frame: Span; span: Span }[] = []
  for (let instance = 0; instance < table.numInstances; instance++) {
    const entry = table.files[instance]?.entry
    if (entry === undefined || table.states[instance] !== STATE.asleep) continue
    const frame = pool.take(domainFor(instance))
    // The next one's memory domain depends on it.
    table.frames[instance] = frame
    targets.push({ instance, entry, frame, span: { ...frame, bytes: entry.bytes } })
  }
  const totalBytes = targets.reduce((sum, { entry }) => sum + entry.bytes, 0)
  try {
    prepared.readSlabs(arena, targets, (numDone) => onProgress((numDone / targets.length) * totalBytes, totalBytes))
  } catch (error) {
    for (const { instance, frame } of targets) {
      table.frames[instance] = undefined
      pool.give(frame)
    }
    if (!isRestart) throw error
    return
  }
  for (const { instance, frame } of targets) residency.adopt(instance, frame)
}
