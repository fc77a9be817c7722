import type { Backend } from "@consilium/kernels"
import type { GpuAdapterInfo } from "./openDevice.ts"

/** The backend of a GPU, and what it says of that. */
export interface GpuBackend extends Backend {
  /** The adapter that it computes on. */
  readonly adapter: GpuAdapterInfo
  /** What lives on the device: buffers as the device's worker counts them, bytes of slabs, with free places among them, and of all. */
  deviceMemory(): { readonly numBuffers: number; readonly slabBytes: number; readonly bytes: number }
  /** Opens the device anew where it was lost, while the caller goes on: false until it is open. @throws Error where it cannot be opened; what is called next tries again */
  tryOpen(): boolean
  /** Returns how many slabs of so many bytes can be opened without more memory. */
  numFreePlaces(slabBytes: number): number
}
