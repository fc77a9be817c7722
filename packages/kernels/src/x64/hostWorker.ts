/** A worker thread that is an expert host: it runs tasks in machine code, spins for some microseconds, then sleeps until a phase is published. */
import { ptr } from "bun:ffi"
import { callable } from "./executableMemory.ts"
import { CONTROL, hostState, STATE_SEEN } from "./hostControl.ts"
import type { HostStart } from "./HostPool.ts"

declare const self: Worker

self.onmessage = ({ data }: MessageEvent<HostStart>) => {
  const { control, hostId, loop, numSpins } = data
  const words = new Int32Array(control)
  const state = hostState(hostId)
  const runLoop = callable(loop, 3)
  const address = ptr(words)
  while (Atomics.load(words, CONTROL.isStopped) === 0) {
    runLoop(address, address + state * 8, numSpins)
    Atomics.add(words, CONTROL.numAsleep, 1)
    Atomics.wait(words, CONTROL.epoch, words[(state + STATE_SEEN) * 2]!)
    Atomics.sub(words, CONTROL.numAsleep, 1)
  }
}
