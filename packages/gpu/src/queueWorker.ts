/** The worker of a GPU queue: it carries out what the caller asks, one thing after another, and sleeps between them. */
import { createDeviceRunner, type DeviceRunner } from "./DeviceRunner.ts"
import type { GpuFeature } from "./GpuFeatures.ts"
import { ANSWER, ASK, type GpuLine, LINE } from "./GpuLine.ts"
import { createKernelClock } from "./KernelClock.ts"
import { openDevice } from "./openDevice.ts"

declare const self: Worker

/** What the worker is told once. */
export interface GpuWork {
  readonly line: GpuLine
  readonly allowedFeatures: readonly GpuFeature[]
}

self.addEventListener("message", ({ data }: MessageEvent<GpuWork>) => void serve(data))

async function serve({ line: { control, tape, text }, allowedFeatures }: GpuWork): Promise<void> {
  let runner: DeviceRunner | undefined
  const carryOut = async (ask: number): Promise<string> => {
    if (ask === ASK.open) {
      const { codes = [] } = runner ?? {}
      runner?.destroy()
      runner = undefined
      // A device's memory and threads go with its last object, and those are too small to be collected soon.
      Bun.gc(true)
      const { device, info } = await openDevice(allowedFeatures)
      runner = createDeviceRunner(device, control[LINE.timesKernels] === 1 ? createKernelClock(device) : undefined)
      // The next steps run what the last ones did.
      await runner.prepare(codes)
      return JSON.stringify(info)
    }
    const start = control[LINE.start]!
    if (ask === ASK.run) return String(await runner!.run(tape.subarray(start, start + control[LINE.length]!)))
    runner?.destroy()
    return ""
  }
  for (let numSeen = 0; ;) {
    const bell = Atomics.load(control, LINE.bell)
    if (bell === numSeen) {
      Atomics.wait(control, LINE.bell, numSeen)
      continue
    }
    numSeen = bell
    const ask = Atomics.load(control, LINE.ask)
    const answer = await carryOut(ask).then(
      (words) => ({ kind: ANSWER.done, words }),
      (error: Error) => ({ kind: ANSWER.failed, words: error.message }),
    )
    control[LINE.answer] = answer.kind
    control[LINE.textLength] = new TextEncoder().encodeInto(answer.words, text).written
    Atomics.store(control, LINE.numBuffers, runner?.numBuffers ?? 0)
    Atomics.store(control, LINE.done, bell)
    Atomics.notify(control, LINE.done)
    if (ask === ASK.close) return
  }
}
