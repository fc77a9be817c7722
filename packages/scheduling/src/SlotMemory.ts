import { commonPrefix } from "./commonPrefix.ts"

/** What a slot remembers: the ids whose state it holds. */
export interface SlotMemory {
  readonly slotId: number
  /** Of a busy slot all that are known, of an idle one what it holds or more. */
  readonly ids: readonly number[]
  /** How many of `ids`, the first ones, it holds the state of. */
  readonly numHeld: number
  /** A sequence is using it: its state can be copied, not taken. */
  readonly isBusy: boolean
  /** How many prompts have begun with what it remembers, the one that brought it included. */
  readonly numUses: number
  /** When that one came, by a clock that counts prompts. */
  readonly since: number
}

/**
 * Returns for each slot how many positions it shares with another, at most: they are not lost with it.
 *
 * In the order of their ids a slot shares most with one of its neighbours, so that few pairs are compared.
 */
export function sharedWithOthers(slots: readonly SlotMemory[]): number[] {
  const shared = slots.map(() => 0)
  const order = slots.map((_, i) => i).sort((a, b) => compareIds(slots[a]!, slots[b]!))
  for (let k = 1; k < order.length; k++) {
    const [i, j] = [order[k - 1]!, order[k]!]
    const length = commonPrefix(slots[i]!.ids, slots[j]!.ids, Math.min(slots[i]!.numHeld, slots[j]!.numHeld))
    shared[i] = Math.max(shared[i]!, length)
    shared[j] = length
  }
  return shared
}

function compareIds(a: SlotMemory, b: SlotMemory): number {
  const most = Math.min(a.numHeld, b.numHeld)
  const at = commonPrefix(a.ids, b.ids, most)
  return at === most ? a.numHeld - b.numHeld : a.ids[at]! - b.ids[at]!
}
