/** What a slot remembers: the ids whose state it holds. */
export interface SlotMemory {
  readonly slotId: number
  readonly ids: readonly number[]
  /** A sequence is using it: its state can be copied, not taken. */
  readonly isBusy: boolean
  /** Any clock: larger is later. */
  readonly lastUsed: number
}

/** Where a new sequence goes, and how many of its first positions need not be computed. */
export interface SlotChoice {
  readonly slotId: number
  readonly numReused: number
  /** The slot whose first positions are copied; undefined where the slot holds them itself. */
  readonly copyFrom: number | undefined
}

/** Fewer positions than this are computed rather than copied. */
const LEAST_COPIED = 16

/**
 * Picks the slot for a prompt: the idle one that remembers the longest part of it, or, where another remembers clearly more, the idle one that
 * was used longest ago, with that part copied into it.
 *
 * The last id is never reused: it must be computed to have logits. Returns undefined when every slot is busy.
 *
 * @throws Error on an empty prompt
 * @see prefix caching: SGLang's RadixAttention, arXiv:2312.07104 §3
 */
export function pickSlot(prompt: readonly number[], slots: readonly SlotMemory[]): SlotChoice | undefined {
  if (prompt.length === 0) throw new Error("a prompt has at least one id")
  const mostReused = prompt.length - 1
  const measured = slots.map((slot) => ({ ...slot, numShared: Math.min(mostReused, commonPrefix(prompt, slot.ids)) }))
  const idle = measured.filter(({ isBusy }) => !isBusy)
  if (idle.length === 0) return undefined

  const older = <T extends { readonly lastUsed: number; readonly slotId: number }>(a: T, b: T): number =>
    a.lastUsed - b.lastUsed || a.slotId - b.slotId
  const inPlace = idle.toSorted((a, b) => b.numShared - a.numShared || older(a, b))[0]!
  const best = measured.toSorted((a, b) => b.numShared - a.numShared || older(a, b))[0]!
  const isWorthCopying = best.numShared >= inPlace.numShared + LEAST_COPIED
  // Taking a slot over throws away what it remembers beyond the shared part: spare a memory that is much longer.
  const isWasteful = inPlace.ids.length > 2 * inPlace.numShared + LEAST_COPIED
  if (!isWorthCopying && !isWasteful)
    return { slotId: inPlace.slotId, numReused: inPlace.numShared, copyFrom: undefined }

  const target = idle.toSorted(older)[0]!
  const source = isWorthCopying ? best : inPlace
  if (target.slotId === source.slotId || source.numShared < LEAST_COPIED) {
    const chosen = source.numShared < LEAST_COPIED ? target : source
    return { slotId: chosen.slotId, numReused: chosen.numShared, copyFrom: undefined }
  }
  return { slotId: target.slotId, numReused: source.numShared, copyFrom: source.slotId }
}

function commonPrefix(a: readonly number[], b: readonly number[]): number {
  const most = Math.min(a.length, b.length)
  let length = 0
  while (length < most && a[length] === b[length]) length++
  return length
}
