import { commonPrefix } from "./commonPrefix.ts"
import { sharedWithOthers, type SlotMemory } from "./SlotMemory.ts"

/** Where a new sequence goes, and how many of its first positions need not be computed. */
export interface SlotChoice {
  readonly type: "take"
  readonly slotId: number
  readonly numReused: number
  /** The slot whose first positions are copied; undefined where the slot holds them itself. */
  readonly copyFrom: number | undefined
}

/** Another sequence is about to compute what this one begins with: it is better off waiting, and copying. */
export interface SlotWait {
  readonly type: "wait"
  /** The slot to wait for. */
  readonly slotId: number
  /** Positions that it will hold by then. */
  readonly numHeld: number
}

/** Fewer positions than this are neither worth copying nor worth keeping. */
export const LEAST_REUSED = 16
/** Fewer positions than this are computed rather than waited for: a wait costs a step. */
const LEAST_AWAITED = 64

/**
 * Picks the slot for a prompt: among the idle ones the one whose memory is missed least, with the longest beginning of the prompt that any slot
 * remembers, kept where it is or copied.
 *
 * A memory is missed by what no other slot holds of it, times how often it was used since it came: a system prompt stays through a hundred
 * prompts of other kinds, an answer that nobody went on with goes first. The last id is never reused: it must be computed to have logits. Returns
 * undefined when every slot is busy.
 *
 * @param now by the clock of `since`
 * @throws Error on an empty prompt
 * @see prefix caching: SGLang's RadixAttention, arXiv:2312.07104 §3; what to evict: Hyperbolic Caching, USENIX ATC 2017 §3
 */
export function pickSlot(
  prompt: readonly number[],
  slots: readonly SlotMemory[],
  now: number,
): SlotChoice | SlotWait | undefined {
  if (prompt.length === 0) throw new Error("a prompt has at least one id")
  if (slots.every(({ isBusy }) => isBusy)) return undefined
  const known = slots.map(({ ids }) => commonPrefix(prompt, ids, prompt.length - 1))
  const held = slots.map(({ numHeld }, i) => Math.min(known[i]!, numHeld))
  /** What will be held once those that run have computed what is known of them. */
  const coming = slots.map(({ isBusy }, i) => (isBusy ? known[i]! : held[i]!))
  const source = indexOfLargest(slots, held)
  const later = indexOfLargest(slots, coming)
  if (coming[later]! >= held[source]! + LEAST_AWAITED)
    return { type: "wait", slotId: slots[later]!.slotId, numHeld: coming[later]! }

  const target = leastMissed(slots, held, now)
  const isKept = held[target]! > held[source]! - LEAST_REUSED
  return {
    type: "take",
    slotId: slots[target]!.slotId,
    numReused: held[isKept ? target : source]!,
    copyFrom: isKept ? undefined : slots[source]!.slotId,
  }
}

/** Returns the idle slot to take: ties go to the one that holds most of the prompt, then to the older memory. */
function leastMissed(slots: readonly SlotMemory[], held: readonly number[], now: number): number {
  const shared = sharedWithOthers(slots)
  const missed = slots.map(({ numHeld, numUses, since }, i) => {
    // The prompt's own beginning lives on in the slot that is taken.
    const numLost = numHeld - Math.max(shared[i]!, held[i]!)
    return numLost < LEAST_REUSED ? 0 : (numLost * numUses) / (now - since + 1)
  })
  let best = -1
  for (let i = 0; i < slots.length; i++) {
    if (slots[i]!.isBusy) continue
    if (best < 0 || isBefore(i, best)) best = i
  }
  return best

  function isBefore(a: number, b: number): boolean {
    const difference = missed[a]! - missed[b]! || held[b]! - held[a]! || slots[a]!.since - slots[b]!.since
    return difference < 0
  }
}

/** Ties go to the memory that was used more, so that its use is counted in one place. */
function indexOfLargest(slots: readonly SlotMemory[], values: readonly number[]): number {
  let best = 0
  for (let i = 1; i < slots.length; i++) {
    const difference = values[i]! - values[best]! || slots[i]!.numUses - slots[best]!.numUses
    if (difference > 0) best = i
  }
  return best
}
