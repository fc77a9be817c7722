import type { DispatchPlan } from "@consilium/experts"
import type { ExpertStore } from "./createExpertStore.ts"
import { type ExpertLayer, STATE } from "./ExpertTable.ts"

/** Reads experts before their layer begins: those that the layer used in the step before. */
export interface ReadAhead {
  onBegin(layer: ExpertLayer, plan: DispatchPlan): void
}

/** Reads that wait for the disk beside those that a layer waits for: more would delay the next layer's own. */
const MOST_AHEAD = 8
/** Rows of a step past which nothing is foreseen: a chunk of prefill wants nearly all experts of a layer. */
const MOST_ROWS = 64

export function createReadAhead({ table, residency, mayEvict }: ExpertStore): ReadAhead {
  const { layers, states, files } = table
  /** By layer: instances that its last plan used. */
  const last = layers.map(() => new Set<number>())

  return {
    onBegin(layer, { offsets }) {
      const l = layers.indexOf(layer)
      const used = last[l]!
      used.clear()
      for (let e = 0; e < layer.numInstances; e++) {
        if (offsets[e] === offsets[e + 1]) continue
        used.add(layer.first + e)
      }
      if (offsets[layer.numInstances]! > MOST_ROWS) return
      const next = last[(l + 1) % layers.length]!
      let numAhead = 0
      for (const instance of next) {
        // A version that was used a step ago may be gone.
        if (states[instance] !== STATE.asleep || files[instance] === undefined || numAhead++ >= MOST_AHEAD) continue
        if (!residency.wake(instance, false, (other) => mayEvict(other) && !next.has(other))) return
      }
    },
  }
}
