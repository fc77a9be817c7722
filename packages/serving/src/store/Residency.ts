import type { Span } from "@consilium/kernels"
import type { ExpertFault } from "./ExpertFault.ts"

export interface ResidencyLimits {
  /** Most bytes that awake experts hold, as the backend counts them. */
  budgetBytes: number
  /** Most awake experts of a layer. */
  readonly targets: Int32Array
}

/** Counts since the start. */
export interface ResidencyCounters {
  numWoken: number
  numSlept: number
  /** Bytes read from disk to wake experts. */
  readBytes: number
  /** Of these, bytes read ahead of anybody's need. */
  aheadBytes: number
  /** Milliseconds that steps waited for reads. */
  waitMs: number
  numMoved: number
}

export interface Residency {
  readonly limits: ResidencyLimits
  readonly counters: ResidencyCounters
  /** Bytes that awake and waking experts hold. */
  readonly usedBytes: number
  /** Whether the budget allows one more copy. */
  hasRoom(): boolean
  /** Reads under way that nobody waits for. */
  readonly numAhead: number
  /** Makes a second copy of an awake instance's bytes, in memory of its own; false where there is no room, or nothing to copy. */
  replicate(instance: number): boolean
  hasReplica(instance: number): boolean
  /** Lets an awake instance go on with its replica. Its own memory is given up. */
  useReplica(instance: number): void
  dropReplica(instance: number): void
  /** Lets an awake instance compute from a copy in another memory domain, between two steps; false, and nothing has changed, where that cannot be. */
  move(instance: number, domain: number): boolean
  /** Returns the memory domains of an instance's copies, that of the one that computes first. */
  domainsOf(instance: number): readonly number[]
  /** Bytes that an instance holds. */
  heldBytes(instance: number): number
  /** Gives the memory of free frames back to the system. */
  trim(): void
  /** Begins to wake an instance that sleeps, in the place of others where there is no room; false where none of those that `mayEvict` allows can make room. */
  wake(instance: number, isUrgent: boolean, mayEvict: (instance: number) => boolean): boolean
  /** Others make room before this one until it is used, as long as those are at least as many. */
  reserve(instance: number): void
  /** Notes that an instance is used, or that nobody waits for it any more. */
  unreserve(instance: number): void
  /** Makes an instance that sleeps awake with verified bytes in a frame of the pool's; there must be room. */
  adopt(instance: number, frame: Span): void
  /** Makes the read of a waking instance pass those that nobody waits for. */
  hurry(instance: number): void
  /** Forgets what an instance holds, awake or waking: it is read again when it is wanted. */
  forget(instance: number): void
  /** Whether the bytes of an awake instance are those of its file; undefined where its backend keeps a form of its own. */
  isIntact(instance: number): boolean | undefined
  /** Lets an awake instance fall asleep. */
  sleep(instance: number): void
  /** Makes reads that are done count: their instances are awake, or have failed. */
  settle(): void
  /** Waits for the next read to be done, and settles. */
  waitForNext(): void
  /** Returns why an instance did not wake, once. */
  takeFault(instance: number): ExpertFault | undefined
  /** Puts experts to sleep until limits hold that have been lowered, and gives memory back. */
  shrink(mayEvict: (instance: number) => boolean): void
  close(): void
}
