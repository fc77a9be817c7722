/**
 * The memory through which hosts find their work. One phase is published at a time: its epoch, its list of records, a counter of tasks taken that carries the
 * epoch, and a counter of tasks done.
 */

/** Places of shared words: of 32 bits, but for `list` and `numTasks`, which are f64. Each written by others stands on a cache line of its own. */
export const CONTROL = {
  /** The phase that may be worked on; a change is what hosts wait for. */
  epoch: 0,
  isStopped: 1,
  /** Workers that run machine code, or are about to: the others may be asleep. Code and records stay until it is 0. */
  numInside: 16,
  /** Address of the first record, as f64 index. */
  list: 16,
  numTasks: 17,
  /** Tasks taken, low half of a 64-bit word … */
  taken: 48,
  /** … whose upper half is the epoch they belong to. */
  takenEpoch: 49,
  /** Tasks that have ended (64 bits). */
  done: 64,
} as const

const FIXED_BYTES = 320
const STATE_BYTES = 64

/** f64 index of a host's own line: its scratch address (f64), and the last epoch that it has seen (32 bits). */
export function hostState(hostId: number): number {
  return (FIXED_BYTES + hostId * STATE_BYTES) / 8
}

/** Places in a host's line, in f64. */
export const STATE_SCRATCH = 0
export const STATE_SEEN = 1

/** Bytes of all control words for `numHosts`. */
export function controlBytes(numHosts: number): number {
  return FIXED_BYTES + numHosts * STATE_BYTES
}
