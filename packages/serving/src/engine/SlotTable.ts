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
  /** Lets a running sequence go on with the experts of another epoch: its slot then holds what no epoch made. */
  move(sequence: Sequence, epoch: number): void
  /** Takes the slot of a sequence that has ended. What it computed stays, for those that begin like it. */
  release(sequence: Sequence): void
}

/** No sequence's epoch. */
const MIXED = -1

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
  /** The epoch of experts that its memory was computed with. */
  epoch = 0
  #numHeld = 0
  readonly #wanted: { epoch: number }

  /** @param wanted the epoch that is asked for: what was computed with others is of no use */
  constructor(slotId: number, wanted: { epoch: number }) {
    this.slotId = slotId
    this.#wanted = wanted
  }

  get isBusy(): boolean {
    return this.user !== undefined
  }

  get numHeld(): number {
    return this.epoch === this.#wanted.epoch ? this.numComputed : 0
  }

  get numComputed(): number {
    return this.user?.numComputed ?? this.#numHeld
  }

  forget(): void {
    this.#numHeld = 0
    if (this.user !== undefined) this.user.numComputed = 0
  }

  release(): void {
    this.#numHeld = this.numComputed
    this.user = undefined
  }
}

export function createSlotTable({ numSlots, copyPrefix }: SlotTableOptions): SlotTable {
  const wanted = { epoch: 0 }
  const slots = Array.from({ length: numSlots }, (_, slotId) => new Slot(slotId, wanted))
  let numFree = numSlots
  let numCopied = 0
  /** Counts prompts. */
  let clock = 0

  const isComing = ({ awaited }: Sequence): boolean =>
    awaited !== undefined && awaited.sequence.slotId !== undefined && awaited.sequence.numComputed < awaited.numHeld

  const occupy = (slot: Slot, sequence: Sequence, numReused: number): void => {
    slot.user = sequence
    slot.epoch = sequence.epoch
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
      wanted.epoch = sequence.epoch
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
    move(sequence, epoch) {
      sequence.epoch = epoch
      slots[sequence.slotId!]!.epoch = MIXED
    },
    release(sequence) {
      slots[sequence.slotId!]!.release()
      sequence.slotId = undefined
      numFree++
    },
  }
}
