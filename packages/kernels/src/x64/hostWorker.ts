/** A worker thread that is an expert host: it runs tasks in machine code, spins for a while, then sleeps until a phase is published. */
import { ptr } from "bun:ffi"
import { callable } from "./executableMemory.ts"
import { CONTROL, hostState, STATE_SEEN } from "./hostControl.ts"
import type { HostStart } from "./HostPool.ts"

declare const self: Worker

self.addEventListener("message", ({ data }: MessageEvent<HostStart>) => {
  const { control, hostId, loop, numSpins } = data
  const words = new Int32Array(control)
  const state = hostState(hostId)
  const runLoop = callable(loop, 3)
  const address = ptr(words)
  for (;;) {
    // Counted before it is asked for: once a stopped pool has counted nobody, nobody comes in.
    Atomics.add(words, CONTROL.numInside, 1)
    const isStopped = Atomics.load(words, CONTROL.isStopped) === 1
    if (!isStopped) runLoop(address, address + state * 8, numSpins)
    Atomics.sub(words, CONTROL.numInside, 1)
    if (isStopped) return
    Atomics.wait(words, CONTROL.epoch, words[(state + STATE_SEEN) * 2]!)
  }
})
