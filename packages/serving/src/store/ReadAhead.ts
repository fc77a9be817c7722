import type { DispatchPlan } from "@consilium/experts"
import type { ExpertStore } from "./createExpertStore.ts"
import { type ExpertLayer, STATE } from "./ExpertTable.ts"

/** Reads experts before their layer begins: those that its router foresees, and those that the layer used in the step before. */
export interface ReadAhead {
  /** Whether it helps to foresee a layer's experts. */
  wantsForesight(layer: number, numRows: number): boolean
  /** Is told what a layer of this step will need, likely ones first. */
  foresee(layer: number, expertIds: Int32Array, count: number): void
  /** Called when a layer begins, its own reads being under way. */
  onBegin(layer: ExpertLayer, plan: DispatchPlan): void
}

/** Reads under way beside those that a layer waits for: as many as keep a disk busy while a layer computes. */
const MOST_AHEAD = 8
/** Rows of a step past which nothing is foreseen: a chunk of prefill wants nearly all experts of a layer. */
const MOST_ROWS = 16
/** Layers that are looked ahead. */
const NUM_LAYERS = 2

export function createReadAhead({ table, residency, mayEvict }: ExpertStore): ReadAhead {
  const { layers, states, files } = table
  /** By layer: instances that its last plan used, and those that are foreseen in this step. */
  const last = layers.map(() => new Set<number>())
  const foreseen = layers.map(() => new Set<number>())
  const isSoon = (instance: number): boolean => {
    const l = table.layerOf[instance]!
    return foreseen[l]!.has(instance)
  }
  const mayGo = (instance: number): boolean => mayEvict(instance) && !isSoon(instance)

  const readAhead = (instances: ReadonlySet<number>): boolean => {
    for (const instance of instances) {
      // A version that was used a step ago may be gone.
      if (states[instance] !== STATE.asleep || files[instance] === undefined) continue
      if (residency.numAhead >= MOST_AHEAD || !residency.wake(instance, false, mayGo)) return false
    }
    return true
  }

  return {
    wantsForesight(layer, numRows) {
      if (numRows > MOST_ROWS) return false
      const l = layers.findIndex((of) => of.layer === layer)
      return l >= 0 && table.numHeld[l]! < layers[l]!.numExperts
    },
    foresee(layer, expertIds, count) {
      const l = layers.findIndex((of) => of.layer === layer)
      const { first } = layers[l]!
      foreseen[l]!.clear()
      for (let i = 0; i < count; i++) if (expertIds[i]! >= 0) foreseen[l]!.add(first + expertIds[i]!)
    },
    onBegin(layer, { offsets }) {
      const l = layers.indexOf(layer)
      const used = last[l]!
      used.clear()
      foreseen[l]!.clear()
      for (let e = 0; e < layer.numInstances; e++) if (offsets[e] !== offsets[e + 1]) used.add(layer.first + e)
      if (used.size > layer.numExperts / 2) return
      for (let ahead = 1; ahead <= NUM_LAYERS; ahead++) {
        const next = (l + ahead) % layers.length
        if (!readAhead(foreseen[next]!) || !readAhead(last[next]!)) return
      }
    },
  }
}
