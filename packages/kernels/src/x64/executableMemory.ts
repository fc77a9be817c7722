import { CFunction, dlopen, FFIType, type Pointer, ptr, read } from "bun:ffi"
import { ExecutableMemoryError } from "./ExecutableMemoryError.ts"

/** Memory that emitted code runs in. It is writable or executable, never both. */
export interface CodeSpace {
  /** Copies code into pages of its own and returns its address, aligned to a page. @throws ExecutableMemoryError */
  place(code: Uint8Array): number
  /** Unmaps all code: nothing may run in it, or call it, afterwards. */
  close(): void
}

const PAGE = 4096
const PROT_READ_WRITE = 1 | 2
const PROT_READ_EXECUTE = 1 | 4
const MAP_PRIVATE_ANONYMOUS = 0x02 | 0x20

/** Opens a code space. @throws ExecutableMemoryError where this is no Linux with glibc on x64 */
export function createCodeSpace(): CodeSpace {
  const libc = openLibc()
  const mappings: { readonly address: Pointer; readonly bytes: number }[] = []
  return {
    place(code) {
      const bytes = Math.ceil(code.length / PAGE) * PAGE
      const address = Number(libc.mmap(null, bytes, PROT_READ_WRITE, MAP_PRIVATE_ANONYMOUS, -1, 0)) as Pointer
      // MAP_FAILED is -1: as a pointer it is 2^64 - 1.
      if (address > Number.MAX_SAFE_INTEGER) throw refused(libc, "mmap", bytes)
      mappings.push({ address, bytes })
      libc.memcpy(address, ptr(code), code.length)
      if (libc.mprotect(address, bytes, PROT_READ_EXECUTE) !== 0) throw refused(libc, "mprotect", bytes)
      return address
    },
    close() {
      for (const { address, bytes } of mappings.splice(0)) libc.munmap(address, bytes)
    },
  }
}

/**
 * Returns a function that calls code with up to six integers or addresses: the System V registers rdi, rsi, rdx, rcx, r8, r9.
 *
 * The address is called as it is: code that was unmapped, or is none, takes the process with it.
 */
export function callable(address: number, numArgs: number): (...args: number[]) => void {
  const args = Array.from({ length: numArgs }, () => FFIType.ptr)
  // The function's own `close` refers to the library behind it, so who holds the one keeps the other.
  const call: CallableFunction = CFunction({ ptr: address as Pointer, args, returns: FFIType.void })
  return call as (...args: number[]) => void
}

type Libc = ReturnType<typeof openLibc>

function openLibc() {
  if (process.platform !== "linux" || process.arch !== "x64")
    throw new ExecutableMemoryError(`x64: code runs on linux-x64, this is ${process.platform}-${process.arch}`)
  try {
    return dlopen("libc.so.6", {
      mmap: {
        args: [FFIType.ptr, FFIType.u64, FFIType.i32, FFIType.i32, FFIType.i32, FFIType.i64],
        returns: FFIType.ptr,
      },
      mprotect: { args: [FFIType.ptr, FFIType.u64, FFIType.i32], returns: FFIType.i32 },
      munmap: { args: [FFIType.ptr, FFIType.u64], returns: FFIType.i32 },
      memcpy: { args: [FFIType.ptr, FFIType.ptr, FFIType.u64], returns: FFIType.ptr },
      __errno_location: { args: [], returns: FFIType.ptr },
    }).symbols
  } catch (cause) {
    throw new ExecutableMemoryError("x64: there is no glibc (libc.so.6) to ask for memory", { cause })
  }
}

function refused(libc: Libc, call: string, bytes: number): ExecutableMemoryError {
  const errno = read.i32(libc.__errno_location()!, 0)
  return new ExecutableMemoryError(
    `x64: ${call} gave no ${bytes} executable bytes (errno ${errno}): ` +
      "a security policy (SELinux execmem, MemoryDenyWriteExecute) may forbid code made at run time",
  )
}
