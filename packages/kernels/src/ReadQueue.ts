import type { Arena, Span } from "./Arena.ts"
import { readTicket, type ReadTickets, takeTicket, TICKET, TICKET_VALUES } from "./readTickets.ts"

/** A read that is under way or done: its place in the queue. */
type ReadTicket = number

/** What became of a read. */
interface ReadResult {
  /** Fewer than asked for where the file ends or cannot be read. */
  readonly numBytes: number
  /** xxHash3 (64 bits) of the first `checkedBytes` bytes. */
  readonly checksum: bigint
}

/** What is to be read: `bytes` from `offset` of an open file on, into a span of at least as many. */
interface ReadRequest {
  readonly handle: number
  readonly offset: number
  readonly bytes: number
  /** How many of the first bytes the checksum is of. */
  readonly checkedBytes: number
  readonly span: Span
}

/** Reads in the background, on threads of its own; urgent reads pass all that are not. One thread asks. */
export interface ReadQueue {
  /** Begins a read; undefined when the queue is full. */
  submit(request: ReadRequest, isUrgent: boolean): ReadTicket | undefined
  /** Makes a read urgent that has not begun. */
  hurry(ticket: ReadTicket): void
  isDone(ticket: ReadTicket): boolean
  /** Returns what became of a read that is done, and frees its ticket. */
  take(ticket: ReadTicket): ReadResult
  /** Returns when a read is done. Reads it itself where nobody has begun to: threads that have not started yet are not waited for. */
  wait(ticket: ReadTicket): void
  /** Returns when some read is done that was not when `numDone` was this. */
  waitForNext(numDone: number): void
  /** Makes the next reads slow, as a fault. */
  slow(numReads: number): void
  /** How many reads were done so far; wraps. */
  readonly numDone: number
  /** Forgets reads that have not begun, waits for those that have, and ends the threads. */
  close(): void
}

/** How long the asking thread waits before it reads what nobody is in a hurry for. */
const PATIENCE_MS = 20
/** Reads that can be under way at once. */
const NUM_TICKETS = 256

/** Creates a queue with `numThreads` threads. None runs before the first read. */
export function createReadQueue(arena: Arena, numThreads: number): ReadQueue {
  const tickets: ReadTickets = {
    control: new Int32Array(new SharedArrayBuffer(16)),
    states: new Int32Array(new SharedArrayBuffer(NUM_TICKETS * 4)),
    values: new Float64Array(new SharedArrayBuffer(NUM_TICKETS * TICKET_VALUES * 8)),
    checksums: new BigUint64Array(new SharedArrayBuffer(NUM_TICKETS * 8)),
  }
  const { control, states, values, checksums } = tickets
  const free = Array.from({ length: NUM_TICKETS }, (_, t) => NUM_TICKETS - 1 - t)
  let workers: Worker[] | undefined
  let order = 0

  const ring = (): void => {
    Atomics.add(control, TICKET.bell, 1)
    Atomics.notify(control, TICKET.bell)
  }
  const numDone = (): number => Atomics.load(control, TICKET.numDone)
  /** Reads the next ticket here; false when there is none. */
  const readNext = (onlyUrgent: boolean): boolean => {
    const ticket = takeTicket(tickets, onlyUrgent)
    if (ticket < 0) return false
    readTicket(tickets, ticket)
    return true
  }

  /** Does what somebody waits for, or waits; where nothing moves, threads that never came are not waited for. */
  const waitOrRead = (before: number): void => {
    if (readNext(true)) return
    if (Atomics.wait(control, TICKET.numDone, before, PATIENCE_MS) === "timed-out") readNext(false)
  }

  return {
    get numDone() {
      return numDone()
    },
    submit({ handle, offset, bytes, checkedBytes, span }, isUrgent) {
      const ticket = free.pop()
      if (ticket === undefined) return undefined
      workers ??= startReaders(tickets, numThreads)
      const at = ticket * TICKET_VALUES
      values[at + TICKET.address] = arena.address(span)
      values[at + TICKET.bytes] = bytes
      values[at + TICKET.offset] = offset
      values[at + TICKET.handle] = handle
      values[at + TICKET.checkedBytes] = checkedBytes
      values[at + TICKET.order] = order++
      Atomics.store(states, ticket, isUrgent ? TICKET.urgent : TICKET.queued)
      ring()
      return ticket
    },
    hurry: (ticket) => void Atomics.compareExchange(states, ticket, TICKET.queued, TICKET.urgent),
    slow: (numReads) => void Atomics.add(control, TICKET.numSlow, numReads),
    isDone: (ticket) => Atomics.load(states, ticket) === TICKET.done,
    take(ticket) {
      if (Atomics.load(states, ticket) !== TICKET.done) throw new Error(`read ${ticket} is not done`)
      const result = {
        numBytes: values[ticket * TICKET_VALUES + TICKET.numBytes]!,
        checksum: checksums[ticket]!,
      }
      Atomics.store(states, ticket, TICKET.free)
      free.push(ticket)
      return result
    },
    wait(ticket) {
      Atomics.compareExchange(states, ticket, TICKET.queued, TICKET.urgent)
      for (;;) {
        const before = numDone()
        if (Atomics.load(states, ticket) === TICKET.done) return
        waitOrRead(before)
      }
    },
    waitForNext(before) {
      while (numDone() === before) waitOrRead(before)
    },
    close() {
      Atomics.store(control, TICKET.isClosed, 1)
      for (let ticket = 0; ticket < NUM_TICKETS; ticket++) {
        for (const state of [TICKET.queued, TICKET.urgent]) Atomics.compareExchange(states, ticket, state, TICKET.free)
      }
      // A read that has begun writes into the arena until it ends.
      for (let before = numDone(); states.includes(TICKET.taken); before = numDone())
        Atomics.wait(control, TICKET.numDone, before, 10)
      ring()
      for (const worker of workers ?? []) worker.terminate()
      workers = undefined
    },
  }
}

function startReaders(tickets: ReadTickets, count: number): Worker[] {
  return Array.from({ length: count }, () => {
    const worker = new Worker(new URL("./readQueueWorker.ts", import.meta.url).href)
    worker.unref()
    // What a thread that fails has not taken, the others take, or who waits.
    worker.addEventListener("error", () => {})
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- that is for windows
    worker.postMessage(tickets)
    return worker
  })
}
