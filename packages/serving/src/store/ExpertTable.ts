/** Who the experts of a model are, where their slabs lie, and in what state they are: plain data, sized once. */
import type { Slab, Span } from "@consilium/kernels"
import type { PreparedModel, SlabEntry } from "@consilium/model"

/** An instance's state; *failed* is told apart by its breaker. */
export const STATE = { asleep: 0, waking: 1, awake: 2 } as const

/** Where an instance's bytes are: a slab of an open file. */
interface InstanceFile {
  readonly handle: number
  readonly entry: SlabEntry
}

/** One layer of experts: its instances are `first .. first + numInstances` of the table. */
export interface ExpertLayer {
  /** The model's layer. */
  readonly layer: number
  readonly first: number
  readonly numExperts: number
  /** Room for other versions of some experts beside the experts themselves. */
  readonly numInstances: number
}

/**
 * Instances of all layers, one after the other; an instance's place in its layer is its expert's id, or behind all experts where it is another version of one.
 */
export interface ExpertTable {
  readonly layers: readonly ExpertLayer[]
  readonly numInstances: number
  /** `[numInstances]` index into `layers`. */
  readonly layerOf: Int32Array
  /** `[numInstances]` whose version each is: an expert's id. */
  readonly expertIds: Int32Array
  /** `[numInstances]` of `STATE`. */
  readonly states: Uint8Array
  /** `[numInstances]` undefined where a place for another version is empty. */
  readonly files: (InstanceFile | undefined)[]
  /** `[numInstances]` the memory that holds it, or that it is being read into. */
  readonly frames: (Span | undefined)[]
  /** `[numInstances]` what computes with it; undefined unless awake. */
  readonly slabs: (Slab | undefined)[]
  /** `[numInstances]` 1 where it computes on the stand-in backend. */
  readonly isOnStandIn: Uint8Array
  /** `[numInstances]` the read that wakes it, or -1. */
  readonly tickets: Int32Array
  /** `[layers.length]` how many are awake or waking. */
  readonly numHeld: Int32Array
}

/** Versions of a layer's experts that can live beside the active ones. */
const MAX_OTHER_VERSIONS = 8

/** Creates the table of a prepared model's experts, all asleep. */
export function createExpertTable(prepared: PreparedModel, handle: number): ExpertTable {
  const sparse = [...prepared.layers.entries()].filter(([, { router }]) => router !== undefined)
  const mostExperts = sparse.reduce((most, [, { experts }]) => Math.max(most, experts.length), 0)
  // Layers are alike in the table, so that an instance's layer follows from its number.
  const numInstances = mostExperts + MAX_OTHER_VERSIONS
  const layers = sparse.map(([layer, { experts }], l): ExpertLayer => {
    return { layer, first: l * numInstances, numExperts: experts.length, numInstances }
  })
  const first = layers.length * numInstances
  const table: ExpertTable = {
    layers,
    numInstances: first,
    layerOf: new Int32Array(first),
    expertIds: new Int32Array(first),
    states: new Uint8Array(first),
    files: Array.from({ length: first }, () => undefined),
    frames: Array.from({ length: first }, () => undefined),
    slabs: Array.from({ length: first }, () => undefined),
    isOnStandIn: new Uint8Array(first),
    tickets: new Int32Array(first).fill(-1),
    numHeld: new Int32Array(layers.length),
  }
  layers.forEach(({ layer, first: begin }, l) => {
    table.layerOf.fill(l, begin, begin + numInstances)
    prepared.layers[layer]!.experts.forEach((entry, e) => {
      table.files[begin + e] = { handle, entry }
      table.expertIds[begin + e] = e
    })
  })
  return table
}

/** Returns the instance of an expert as the model came with it. */
export function instanceOf({ layers }: ExpertTable, layer: number, expertId: number): number | undefined {
  const found = layers.find((of) => of.layer === layer)
  return found === undefined || expertId >= found.numExperts ? undefined : found.first + expertId
}

/** Names an instance as people know it. */
export function instanceName({ layers, layerOf, expertIds }: ExpertTable, instance: number): string {
  return `layer ${layers[layerOf[instance]!]!.layer} expert ${expertIds[instance]}`
}
