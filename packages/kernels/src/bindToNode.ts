import { dlopen, FFIType, type Pointer, ptr, read } from "bun:ffi"

/** Numbers of the system call `mbind`: glibc itself has no function for it. */
const MBIND: Readonly<Record<string, number>> = { x64: 237, arm64: 235 }
/** A node that is full gives way to another: a model that spills is slow, one that is killed is gone. */
const MPOL_PREFERRED = 1
const MAX_NODES = 1024

/** Asks that a mapping's pages, none of them touched yet, lie on a NUMA node. Returns undefined, or why the system does not do it. */
export function bindToNode(address: number, bytes: number, node: number): string | undefined {
  const number = MBIND[process.arch]
  if (number === undefined) return `mbind is not known on ${process.arch}`
  const libc = openLibc()
  if (libc === undefined) return "there is no glibc"
  const mask = new Uint32Array(MAX_NODES / 32)
  mask[Math.floor(node / 32)] = 1 << (node % 32)
  // The kernel reads one bit less than it is told.
  const result = libc.syscall(number, address as Pointer, bytes, MPOL_PREFERRED, ptr(mask), MAX_NODES + 1, 0)
  return Number(result) === 0 ? undefined : `mbind is refused (errno ${read.i32(libc.__errno_location()!, 0)})`
}

function openLibc() {
  try {
    return dlopen("libc.so.6", {
      syscall: {
        args: [FFIType.i64, FFIType.ptr, FFIType.u64, FFIType.i64, FFIType.ptr, FFIType.u64, FFIType.u64],
        returns: FFIType.i64,
      },
      __errno_location: { args: [], returns: FFIType.ptr },
    }).symbols
  } catch {
    return undefined
  }
}
