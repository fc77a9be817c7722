/** A queue's worker whose driver hangs: it opens at once, and never returns from a run that destroys a buffer. */
import { ANSWER, ASK, COMMAND, LINE } from "../src/GpuLine.ts"
import { PLAIN_FEATURES } from "../src/GpuFeatures.ts"
import type { GpuAdapterInfo } from "../src/openDevice.ts"
import type { GpuWork } from "../src/queueWorker.ts"

declare const self: Worker

/** Longer than any test. */
const FOREVER_MS = 3_600_000

self.addEventListener("message", ({ data: { line } }: MessageEvent<GpuWork>) => {
  const { control, tape, text } = line
  const info: GpuAdapterInfo = {
    name: "hanging",
    model: "hanging",
    isSoftware: true,
    maxBufferBytes: 2 ** 20,
    hasTimestamps: false,
    features: PLAIN_FEATURES,
  }
  for (let numSeen = 0; ;) {
    Atomics.wait(control, LINE.bell, numSeen)
    numSeen = Atomics.load(control, LINE.bell)
    const ask = Atomics.load(control, LINE.ask)
    const isLast = ask === ASK.run && tape[control[LINE.start]!] === COMMAND.destroy
    if (isLast) Bun.sleepSync(FOREVER_MS)
    control[LINE.answer] = ANSWER.done
    const words = ask === ASK.open ? JSON.stringify(info) : "0"
    control[LINE.textLength] = new TextEncoder().encodeInto(words, text).written
    Atomics.store(control, LINE.done, numSeen)
    Atomics.notify(control, LINE.done)
    if (ask === ASK.close) return
  }
})
