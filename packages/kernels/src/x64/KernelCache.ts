import type { CodeSpace } from "./executableMemory.ts"

/** Kernels by name: each is emitted and placed when it is first wanted. For who opens slabs and plans layers; steps keep the addresses. */
export interface KernelCache {
  /** Returns the address of the kernel `name`, which `emit` writes where it is not there yet. */
  address(name: string, emit: () => Uint8Array): number
}

/** Creates a cache that places kernels in `space`. */
export function createKernelCache(space: CodeSpace): KernelCache {
  const addresses = new Map<string, number>()
  return {
    address(name, emit) {
      let address = addresses.get(name)
      if (address === undefined) addresses.set(name, (address = space.place(emit())))
      return address
    },
  }
}
