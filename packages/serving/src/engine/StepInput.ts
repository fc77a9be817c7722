import { type BatchSlot, fitsShortlist, type StepBatch } from "@consilium/model"
import type { StepPlan } from "@consilium/scheduling"
import type { Sequence } from "./Sequence.ts"

type Mutable<T> = { -readonly [K in keyof T]: T[K] }

/** Turns plans into batches, in buffers of its own: the batch is valid until the next one. */
export interface StepInput {
  fill(plan: StepPlan, sequences: readonly Sequence[]): StepBatch
}

export function createStepInput({ numSlots, maxRows }: { numSlots: number; maxRows: number }): StepInput {
  const all = Array.from({ length: numSlots }, (): Mutable<BatchSlot> => ({
    slotId: 0,
    firstRow: 0,
    numRows: 0,
    pastLength: 0,
    wantsLogits: false,
  }))
  const slots: BatchSlot[] = []
  const batch: Mutable<StepBatch> = { numRows: 0, ids: new Int32Array(maxRows), slots, wantsShortlists: false }

  return {
    fill({ entries, numEntries, numRows }, sequences) {
      slots.length = 0
      let firstRow = 0
      batch.wantsShortlists = true
      for (let i = 0; i < numEntries; i++) {
        const entry = entries[i]!
        const { ids, slotId, request } = sequences[entry.index]!
        if (entry.isSampled && !(fitsShortlist(request.sampling) && request.numTopLogProbs === undefined))
          batch.wantsShortlists = false
        for (let r = 0; r < entry.numRows; r++) batch.ids[firstRow + r] = ids[entry.firstPosition + r]!
        const slot = all[i]!
        slot.slotId = slotId!
        slot.firstRow = firstRow
        slot.numRows = entry.numRows
        slot.pastLength = entry.firstPosition
        slot.wantsLogits = entry.isSampled
        slots.push(slot)
        firstRow += entry.numRows
      }
      batch.numRows = numRows
      return batch
    },
  }
}
