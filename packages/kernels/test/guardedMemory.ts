import { dlopen, FFIType, type Pointer, toArrayBuffer } from "bun:ffi"

type Values = Float64Array | Float32Array | Int32Array | Int16Array | Uint16Array | Int8Array | Uint8Array

/** Values in memory that emitted code reads and writes by address. */
interface Guarded<T extends Values> {
  readonly address: number
  readonly values: T
}

/** Memory for tests of emitted code, Linux only: one byte too far ends the process with a segmentation fault, instead of passing unseen. */
export interface GuardedMemory {
  /**
   * Copies `values` into pages of their own, between two that nobody may touch: the values end exactly where the one behind begins.
   *
   * With `"start"` they begin exactly where the one before ends. The rest of their pages is watched: `close` finds what was written there.
   */
  place<T extends Values>(values: T, side?: "start" | "end"): Guarded<T>
  /** Unmaps everything; views have length 0 afterwards. @throws Error where code wrote beside the values */
  close(): void
}

const PAGE = 4096
const PROT_NONE = 0
const PROT_READ_WRITE = 1 | 2
const MAP_PRIVATE_ANONYMOUS = 0x02 | 0x20
const WATCHED = 0xa5

/** Opens memory whose buffers have inaccessible pages on both sides. */
export function openGuardedMemory(): GuardedMemory {
  const libc = openLibc()
  const mappings: { readonly base: number; readonly bytes: number; release(): void }[] = []
  return {
    place(values, side = "end") {
      const bytes = Math.max(PAGE, Math.ceil(values.byteLength / PAGE) * PAGE)
      const base = Number(libc.mmap(null, bytes + 2 * PAGE, PROT_NONE, MAP_PRIVATE_ANONYMOUS, -1, 0))
      if (libc.mprotect((base + PAGE) as Pointer, bytes, PROT_READ_WRITE) !== 0) throw new Error("mprotect failed")
      const pages = toArrayBuffer((base + PAGE) as Pointer, 0, bytes)
      const offset = side === "end" ? bytes - values.byteLength : 0
      new Uint8Array(pages).fill(WATCHED)
      const copy = viewLike(values, pages, offset)
      copy.set(values as never)
      mappings.push({ base, bytes: bytes + 2 * PAGE, release: () => expectWatched(pages, offset, values.byteLength) })
      return { address: base + PAGE + offset, values: copy }
    },
    close() {
      const faults: unknown[] = []
      for (const { base, bytes, release } of mappings.splice(0)) {
        try {
          release()
        } catch (fault) {
          faults.push(fault)
        }
        libc.munmap(base as Pointer, bytes)
      }
      if (faults.length > 0) throw faults[0]
    },
  }
}

/** Detaches the pages. @throws Error where a byte beside the values changed */
function expectWatched(pages: ArrayBuffer, offset: number, length: number): void {
  const bytes = new Uint8Array(pages)
  const isWritten = (byte: number): boolean => byte !== WATCHED
  const before = bytes.subarray(0, offset).findIndex(isWritten)
  const behind = bytes.subarray(offset + length).findIndex(isWritten)
  pages.transfer()
  if (before >= 0 || behind >= 0) {
    throw new Error(`code wrote to byte ${before >= 0 ? before - offset : length + behind} of ${length}`)
  }
}

function viewLike<T extends Values>(values: T, buffer: ArrayBuffer, offset: number): T {
  const View = values.constructor as new (buffer: ArrayBuffer, offset: number, length: number) => T
  return new View(buffer, offset, values.length)
}

function openLibc() {
  return dlopen("libc.so.6", {
    mmap: {
      args: [FFIType.ptr, FFIType.u64, FFIType.i32, FFIType.i32, FFIType.i32, FFIType.i64],
      returns: FFIType.ptr,
    },
    mprotect: { args: [FFIType.ptr, FFIType.u64, FFIType.i32], returns: FFIType.i32 },
    munmap: { args: [FFIType.ptr, FFIType.u64], returns: FFIType.i32 },
  }).symbols
}
