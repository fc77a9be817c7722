import { dlopen, FFIType, type Pointer, toArrayBuffer } from "bun:ffi"

/** One piece of the arena's memory, all zeros at first. */
export interface Segment {
  readonly buffer: ArrayBufferLike
  /** Makes a run zero again and gives its whole pages back to the system. */
  clear(offset: number, bytes: number): void
  /** Releases the memory. No view of `buffer` may be used afterwards: on Linux it is unmapped. */
  close(): void
}

/** Opens a segment: an anonymous mapping on Linux, a shared buffer elsewhere. Untouched pages cost nothing. */
export function openSegment(bytes: number): Segment {
  return process.platform === "linux" ? openMapping(bytes) : openShared(bytes)
}

function openShared(bytes: number): Segment {
  const buffer = new SharedArrayBuffer(bytes)
  return {
    buffer,
    clear: (offset, length) => new Uint8Array(buffer, offset, length).fill(0),
    close() {},
  }
}

const PAGE = 4096
const PROT_READ_WRITE = 1 | 2
const MAP_PRIVATE_ANONYMOUS_NORESERVE = 0x02 | 0x20 | 0x4000
const MADV_DONTNEED = 4

function openMapping(bytes: number): Segment {
  const { symbols } = loadLibc()
  const address = symbols.mmap(null, bytes, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS_NORESERVE, -1, 0)
  const base = Number(address ?? -1)
  if (base === -1) throw new Error(`arena: the system has no ${bytes} bytes of address space to give`)
  const buffer = toArrayBuffer(base as Pointer, 0, bytes)
  return {
    buffer,
    clear(offset, length) {
      const first = Math.ceil(offset / PAGE) * PAGE
      const end = Math.floor((offset + length) / PAGE) * PAGE
      if (end <= first) {
        new Uint8Array(buffer, offset, length).fill(0)
        return
      }
      new Uint8Array(buffer, offset, first - offset).fill(0)
      new Uint8Array(buffer, end, offset + length - end).fill(0)
      symbols.madvise((base + first) as Pointer, end - first, MADV_DONTNEED)
    },
    close() {
      symbols.munmap(base as Pointer, bytes)
    },
  }
}

function loadLibc() {
  return dlopen("libc.so.6", {
    mmap: {
      args: [FFIType.ptr, FFIType.u64, FFIType.i32, FFIType.i32, FFIType.i32, FFIType.i64],
      returns: FFIType.ptr,
    },
    munmap: { args: [FFIType.ptr, FFIType.u64], returns: FFIType.i32 },
    madvise: { args: [FFIType.ptr, FFIType.u64, FFIType.i32], returns: FFIType.i32 },
  })
}
