import { LEAST_REUSED, pickSlot, type SlotMemory } from "@consilium/scheduling"
import type { Sequence } from "./Sequence.ts"

/** The slots: who runs in them, and what they remember of those who did. */
export interface SlotTable {
  readonly numFree: number
  /** Positions copied from slot to slot so far. */
  readonly numCopied: number
  /**
   * Gives a waiting sequence a slot, with as much of its prompt as any slot remembers; returns false where it has to wait: for a free one, or for
   * a beginning that another sequence is computing.
   */
  admit(sequence: Sequence): boolean
  /** Forgets what all slots hold: it was computed with weights that had changed. Who runs computes it anew. */
  forgetAll(): void
  /** Takes the slot of a sequence that has ended. What it computed stays, for those that begin like it. */
  release(sequence: Sequence): void
}

interface SlotTableOptions {
  readonly numSlots: number
  readonly copyPrefix: (fromSlot: number, toSlot: number, numPositions: number) => void
}

/** One slot; while somebody runs in it, what it remembers is what they have computed. */
class Slot implements SlotMemory {
  readonly slotId: number
  user: Sequence | undefined
  ids: readonly number[] = []
  numUses = 0
  since = 0
  #numHeld = 0

  constructor(slotId: number) {
    this.slotId = slotId
  }

  get isBusy(): boolean {
    return this.user !== undefined
  }

  get numHeld(): number {
    return this.user?.numComputed ?? this.#numHeld
  }

  forget(): void {
    this.#numHeld = 0
    if (this.user !== undefined) this.user.numComputed = 0
  }

  release(): void {
    this.#numHeld = this.numHeld
    this.user = undefined
  }
}

export function createSlotTable({ numSlots, copyPrefix }: SlotTableOptions): SlotTable {
  const slots = Array.from({ length: numSlots }, (_, slotId) => new Slot(slotId))
  let numFree = numSlots
  let numCopied = 0
  /** Counts prompts. */
  let clock = 0

  const isComing = ({ awaited }: Sequence): boolean =>
    awaited !== undefined && awaited.sequence.slotId !== undefined && awaited.sequence.numComputed < awaited.numHeld

  const occupy = (slot: Slot, sequence: Sequence, numReused: number): void => {
    slot.user = sequence
    slot.ids = sequence.ids
    sequence.slotId = slot.slotId
    sequence.awaited = undefined
    sequence.numComputed = numReused
    sequence.numCached = numReused
    numFree--
  }

  return {
    get numFree() {
      return numFree
    },
    get numCopied() {
      return numCopied
    },
    admit(sequence) {
      if (numFree === 0 || isComing(sequence)) return false
      // A trace shows every position, so all are computed: of one id nothing is reused.
      const prompt = sequence.request.trace ? sequence.ids.slice(0, 1) : sequence.ids
      const choice = pickSlot(prompt, slots, clock)
      if (choice === undefined) return false
      if (choice.type === "wait") {
        sequence.awaited = { sequence: slots[choice.slotId]!.user!, numHeld: choice.numHeld }
        return false
      }
      const { slotId, numReused, copyFrom } = choice
      const slot = slots[slotId]!
      if (numReused >= LEAST_REUSED) slots[copyFrom ?? slotId]!.numUses++
      if (copyFrom !== undefined) {
        copyPrefix(copyFrom, slotId, numReused)
        numCopied += numReused
      }
      if (copyFrom !== undefined || numReused < LEAST_REUSED) {
        slot.numUses = 1
        slot.since = clock
      }
      clock++
      occupy(slot, sequence, numReused)
      return true
    },
    forgetAll() {
      for (const slot of slots) slot.forget()
    },
    release(sequence) {
      slots[sequence.slotId!]!.release()
      sequence.slotId = undefined
      numFree++
    },
  }
}
