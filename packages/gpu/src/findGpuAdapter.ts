import { openGpuQueue } from "./GpuQueue.ts"
import type { GpuAdapterInfo } from "./openDevice.ts"

/** Returns the adapter that a backend would compute on, and leaves nothing open. @throws Error in one line where there is none, or one that computes wrongly */
export function findGpuAdapter(): GpuAdapterInfo {
  const queue = openGpuQueue()
  queue.close()
  return queue.adapter
}
