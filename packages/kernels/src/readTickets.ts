import { type Pointer, toArrayBuffer } from "bun:ffi"
import { readInto } from "./readSpans.ts"

/** What the threads of a read queue share. Worth passing to a worker as it is. */
export interface ReadTickets {
  /** By `TICKET.bell` … `numSlow`. */
  readonly control: Int32Array
  /** `[numTickets]` `TICKET.free` … `done`. */
  readonly states: Int32Array
  /** `[numTickets, TICKET_VALUES]` by `TICKET.address` …. */
  readonly values: Float64Array
  /** `[numTickets]` */
  readonly checksums: BigUint64Array
}

export const TICKET = {
  bell: 0,
  numDone: 1,
  isClosed: 2,
  /** Reads that are to be slow. */
  numSlow: 3,

  free: 0,
  queued: 1,
  urgent: 2,
  taken: 3,
  done: 4,

  address: 0,
  bytes: 1,
  offset: 2,
  handle: 3,
  checkedBytes: 4,
  /** Reads of one urgency are done in this order. */
  order: 5,
  numBytes: 6,
} as const

export const TICKET_VALUES = 8

/**
 * Takes the next read for this thread: an urgent one where there is one, the oldest of them; -1 when all have been taken.
 *
 * @param onlyUrgent leaves reads to others that nobody waits for: who waits has better things to do
 */
export function takeTicket({ states, values }: ReadTickets, onlyUrgent = false): number {
  for (;;) {
    let best = -1
    let bestState = 0
    for (let ticket = 0; ticket < states.length; ticket++) {
      const state = Atomics.load(states, ticket)
      if (state !== TICKET.urgent && (onlyUrgent || state !== TICKET.queued)) continue
      const isBetter =
        state > bestState ||
        (state === bestState &&
          values[ticket * TICKET_VALUES + TICKET.order]! < values[best * TICKET_VALUES + TICKET.order]!)
      if (!isBetter) continue
      best = ticket
      bestState = state
    }
    if (best < 0) return -1
    if (Atomics.compareExchange(states, best, bestState, TICKET.taken) === bestState) return best
  }
}

/** Reads a ticket that this thread has taken. */
export function readTicket({ control, states, values, checksums }: ReadTickets, ticket: number): void {
  const at = ticket * TICKET_VALUES
  const out = new Uint8Array(toArrayBuffer(values[at + TICKET.address] as Pointer, 0, values[at + TICKET.bytes]!))
  delay(control)
  values[at + TICKET.numBytes] = readInto(values[at + TICKET.handle]!, out, values[at + TICKET.offset]!)
  checksums[ticket] = Bun.hash.xxHash3(out.subarray(0, values[at + TICKET.checkedBytes]!))
  Atomics.store(states, ticket, TICKET.done)
  Atomics.add(control, TICKET.numDone, 1)
  Atomics.notify(control, TICKET.numDone)
}

/** What a slow read takes beside its own time. */
const SLOW_MS = 50

/** Waits where reads are to be slow. */
function delay(control: Int32Array): void {
  for (let left; (left = Atomics.load(control, TICKET.numSlow)) > 0;) {
    // Where another thread was faster, there may be none left.
    if (Atomics.compareExchange(control, TICKET.numSlow, left, left - 1) !== left) continue
    return void Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, SLOW_MS)
  }
}
