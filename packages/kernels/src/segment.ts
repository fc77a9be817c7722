import { dlopen, FFIType, type Pointer, ptr, toArrayBuffer } from "bun:ffi"

import type { SpanUse } from "./Arena.ts"
import { bindToNode } from "./bindToNode.ts"

/** One piece of the arena's memory, all zeros at first. */
export interface Segment {
  readonly buffer: ArrayBufferLike
  readonly address: number
  /** Makes a run zero again and gives its whole pages back to the system. */
  clear(offset: number, bytes: number): void
  /**
   * Releases the memory.
   *
   * A mapping is detached from its buffer before it is unmapped, so a view that outlives it has length 0: touching it is harmless, where an
   * attached one would be a segmentation fault. Native code that holds an address has no such net, and must have ended.
   */
  close(): void
}

/** Opens a segment; on a NUMA node where one is given. */
type SegmentSource = (bytes: number, use: SpanUse, node: number | undefined) => Segment

/**
 * Returns a function that opens segments: anonymous mappings on Linux, shared buffers elsewhere. Untouched pages cost nothing.
 *
 * @param onUnbound told once for each node that segments cannot be bound to, and why
 */
export function createSegmentSource(onUnbound: (reason: string) => void = () => {}): SegmentSource {
  if (process.platform !== "linux") return openShared
  const libc = openLibc()
  if (libc === undefined) return openShared
  const refused = new Set<number>()
  return (bytes, use, node) => {
    const segment = openMapping(bytes, use, libc)
    if (node === undefined || refused.has(node)) return segment
    const reason = bindToNode(segment.address, bytes, node)
    if (reason === undefined) return segment
    refused.add(node)
    onUnbound(`arena: memory is not bound to NUMA node ${node}: ${reason}`)
    return segment
  }
}

function openShared(bytes: number): Segment {
  const buffer = new SharedArrayBuffer(bytes)
  return {
    buffer,
    address: ptr(new Uint8Array(buffer)),
    clear: (offset, length) => new Uint8Array(buffer, offset, length).fill(0),
    close() {},
  }
}

const PAGE = 4096
const PROT_READ_WRITE = 1 | 2
const MAP_PRIVATE_ANONYMOUS_NORESERVE = 0x02 | 0x20 | 0x4000
const MADV_DONTNEED = 4
const MADV_HUGEPAGE = 14

type Libc = NonNullable<ReturnType<typeof openLibc>>

function openMapping(bytes: number, use: SpanUse, libc: Libc): Segment {
  const mapped = libc.mmap(null, bytes, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS_NORESERVE, -1, 0)
  // MAP_FAILED is -1: as a pointer it is 2^64 - 1, far outside the address space of any process.
  const base = Number(mapped ?? 0)
  if (base <= 0 || base > Number.MAX_SAFE_INTEGER) {
    throw new Error(
      `arena: the system gives no ${bytes} bytes of address space: raise ulimit -v, or lower the memory setting`,
    )
  }
  // Large pages are a wish: where there are none, nothing is lost but speed.
  if (use === "whole") libc.madvise(base as Pointer, bytes, MADV_HUGEPAGE)
  const buffer = toArrayBuffer(base as Pointer, 0, bytes)
  const zero = (offset: number, length: number): void => void new Uint8Array(buffer, offset, length).fill(0)
  return {
    buffer,
    address: base,
    clear(offset, length) {
      const first = Math.ceil(offset / PAGE) * PAGE
      const end = Math.floor((offset + length) / PAGE) * PAGE
      if (end <= first) return zero(offset, length)
      zero(offset, first - offset)
      zero(end, offset + length - end)
      // Refused where pages are larger than 4 KiB and the run begins inside one.
      if (libc.madvise((base + first) as Pointer, end - first, MADV_DONTNEED) !== 0) zero(first, end - first)
    },
    close() {
      buffer.transfer()
      libc.munmap(base as Pointer, bytes)
    },
  }
}

/** Returns undefined where there is no glibc: musl systems share buffers. */
function openLibc() {
  try {
    return dlopen("libc.so.6", {
      mmap: {
        args: [FFIType.ptr, FFIType.u64, FFIType.i32, FFIType.i32, FFIType.i32, FFIType.i64],
        returns: FFIType.ptr,
      },
      munmap: { args: [FFIType.ptr, FFIType.u64], returns: FFIType.i32 },
      madvise: { args: [FFIType.ptr, FFIType.u64, FFIType.i32], returns: FFIType.i32 },
    }).symbols
  } catch {
    return undefined
  }
}
