import { type Pointer, toArrayBuffer } from "bun:ffi"
import { readSync } from "node:fs"
import type { Arena, Span } from "./Arena.ts"

/** A run of a file, and the span that takes it: as many bytes as the span has. */
export interface SpanRun {
  readonly span: Span
  /** Bytes from the file's begin. */
  readonly offset: number
}

/** What became of a run. */
export interface ReadRun {
  /** Fewer than its span has where the file ends or cannot be read. */
  readonly numBytes: number
  /** xxHash3 (64 bits) of the span's bytes. */
  readonly checksum: bigint
}

/** What threads share: each takes the next run that none has taken. Worth passing to a worker as it is. */
export interface ReadTable {
  readonly handle: number
  /** Runs taken, and runs done. */
  readonly counters: Int32Array
  /** `[numRuns, RUN_VALUES]`: address, bytes, offset in the file; then bytes read. */
  readonly runs: Float64Array
  readonly checksums: BigUint64Array
}

const [TAKEN, DONE] = [0, 1]
const RUN_VALUES = 4
/** Most bytes of one read: systems refuse 2 GiB. */
const WINDOW_BYTES = 2 ** 30
/** Bytes that are worth a thread of their own: it takes some 20 ms to come. */
const BYTES_PER_THREAD = 2 ** 27

/**
 * Reads runs of an open file into spans, and returns each one's length and checksum.
 *
 * Workers help where there is much to read: memory that is touched for the first time costs as much as the copy. One that is not up yet, or never comes, is
 * not waited for.
 *
 * @param onRun called after each run that this thread has read, with the number of runs that are done
 */
export function readSpans(
  arena: Arena,
  handle: number,
  runs: readonly SpanRun[],
  maxThreads: number,
  onRun: (numDone: number) => void = () => {},
): ReadRun[] {
  const table: ReadTable = {
    handle,
    counters: new Int32Array(new SharedArrayBuffer(8)),
    runs: new Float64Array(new SharedArrayBuffer(runs.length * RUN_VALUES * 8)),
    checksums: new BigUint64Array(new SharedArrayBuffer(runs.length * 8)),
  }
  let bytes = 0
  for (const [r, { span, offset }] of runs.entries()) {
    table.runs.set([arena.address(span), span.bytes, offset], r * RUN_VALUES)
    bytes += span.bytes
  }
  const workers = startReaders(table, Math.min(maxThreads, Math.ceil(bytes / BYTES_PER_THREAD)) - 1)
  try {
    takeRuns(table, onRun)
    for (let done; (done = Atomics.load(table.counters, DONE)) < runs.length;) Atomics.wait(table.counters, DONE, done)
  } finally {
    for (const worker of workers) worker.terminate()
  }
  return runs.map((_, r) => ({ numBytes: table.runs[r * RUN_VALUES + 3]!, checksum: table.checksums[r]! }))
}

/** Reads runs that nobody has taken, until there are none. */
export function takeRuns({ handle, counters, runs, checksums }: ReadTable, onRun: (numDone: number) => void): void {
  for (let r; (r = Atomics.add(counters, TAKEN, 1)) < checksums.length;) {
    const [address, bytes, offset] = runs.subarray(r * RUN_VALUES, (r + 1) * RUN_VALUES)
    const out = new Uint8Array(toArrayBuffer(address as Pointer, 0, bytes))
    runs[r * RUN_VALUES + 3] = readInto(handle, out, offset!)
    checksums[r] = Bun.hash.xxHash3(out)
    const numDone = Atomics.add(counters, DONE, 1) + 1
    Atomics.notify(counters, DONE)
    onRun(numDone)
  }
}

/** Fills `out` from an open file, and returns the number of bytes: fewer where the file ends or cannot be read. */
export function readInto(handle: number, out: Uint8Array, offset: number): number {
  let done = 0
  while (done < out.length) {
    const count = readWindow(handle, out, done, offset + done)
    if (count === 0) break
    done += count
  }
  return done
}

function readWindow(handle: number, out: Uint8Array, done: number, offset: number): number {
  try {
    return readSync(handle, out, done, Math.min(out.length - done, WINDOW_BYTES), offset)
  } catch {
    return 0
  }
}

function startReaders(table: ReadTable, count: number): Worker[] {
  return Array.from({ length: Math.max(0, count) }, () => {
    const worker = new Worker(new URL("./readSpansWorker.ts", import.meta.url).href)
    worker.unref()
    // What a worker that fails has not taken, the others take.
    worker.addEventListener("error", () => {})
    // oxlint-disable-next-line unicorn/require-post-message-target-origin -- that is for windows
    worker.postMessage(table)
    return worker
  })
}
