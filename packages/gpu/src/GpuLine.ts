/** What the caller and the queue's worker share: control words, a tape of commands, and a text. Worth passing to a worker as it is. */
export interface GpuLine {
  /** By `LINE.bell` …. */
  readonly control: Int32Array
  /** Commands of a run: each its number from `COMMAND`, then its values. */
  readonly tape: Float64Array
  /** An answer's words in UTF-8. */
  readonly text: Uint8Array
}

export const LINE = {
  /** Counts what the caller has asked. */
  bell: 0,
  /** Counts what was answered. */
  done: 1,
  /** What is asked: `ASK`. */
  ask: 2,
  /** What the answer is: `ANSWER`. */
  answer: 3,
  /** Where the values of what is asked begin on the tape, and how many they are. */
  start: 8,
  length: 4,
  textLength: 5,
  /** Buffers that the device holds for the caller. */
  numBuffers: 6,
  /** 1 where the milliseconds that kernels ran are wanted: they are then the text of a run's answer. */
  timesKernels: 7,
} as const

export const ASK = { open: 0, run: 1, lose: 2, close: 3 } as const
export const ANSWER = { done: 0, failed: 1 } as const

/**
 * Commands of a tape, by what follows the number:
 * `create` buffer, bytes · `destroy` buffer · `kernel` kernel, length, code units · `write` buffer, offset, address, bytes ·
 * `dispatch` kernel, x, y, number of parameters, parameters, number of buffers, buffers · `read` buffer, offset, address, bytes ·
 * `copy` from, offset, to, offset, bytes.
 */
export const COMMAND = { create: 0, destroy: 1, kernel: 2, write: 3, dispatch: 4, read: 5, copy: 6 } as const

/** Most parameters of a dispatch. */
export const MOST_PARAMETERS = 256

/** Values of a tape, of which a run fills half at most: the code of the longest kernel fits many times. */
const TAPE_VALUES = 2 ** 18
const TEXT_BYTES = 2 ** 14

export function createGpuLine(): GpuLine {
  return {
    control: new Int32Array(new SharedArrayBuffer(Object.keys(LINE).length * 4)),
    tape: new Float64Array(new SharedArrayBuffer(TAPE_VALUES * 8)),
    text: new Uint8Array(new SharedArrayBuffer(TEXT_BYTES)),
  }
}
