import { expect, test } from "bun:test"
import { createKernelClock } from "./KernelClock.ts"

/** A device as far as a clock needs one; its passes end 3 ms after they begin. */
function fakeDevice(features: readonly string[], onSubmittedWorkDone = async (): Promise<void> => {}): GPUDevice {
  const buffer = {
    mapAsync: async () => {},
    getMappedRange: () => BigUint64Array.of(5_000_000n, 8_000_000n, 10_000_000n, 13_000_000n).buffer,
    unmap() {},
  }
  return {
    features: new Set(features),
    createQuerySet: () => ({}),
    createBuffer: () => buffer,
    createCommandEncoder: () => ({ resolveQuerySet() {}, copyBufferToBuffer() {}, finish: () => ({}) }),
    queue: { submit() {}, onSubmittedWorkDone },
  } as never
}

test("createKernelClock: timestamps around each pass are summed, and forgotten once taken", async () => {
  const clock = createKernelClock(fakeDevice(["timestamp-query"]))
  expect(await clock.takeMs()).toBe(0)
  const indexes = [clock.nextPass(), clock.nextPass()].map(({ timestampWrites }) => [
    timestampWrites!.beginningOfPassWriteIndex,
    timestampWrites!.endOfPassWriteIndex,
  ])
  expect(indexes).toEqual([
    [0, 1],
    [2, 3],
  ])
  expect(await clock.takeMs()).toBe(6)
  expect(await clock.takeMs()).toBe(0)
})

test("createKernelClock: more passes than a run may have are an error, not a wrong time", () => {
  const clock = createKernelClock(fakeDevice(["timestamp-query"]))
  for (let i = 0; i < 2048; i++) clock.nextPass()
  expect(() => clock.nextPass()).toThrow("at most 2048 passes")
})

test("createKernelClock: without timestamps, from the first submission until the device has done all", async () => {
  let isDone = false
  const clock = createKernelClock(
    fakeDevice([], async () => {
      isDone = true
    }),
  )
  expect(await clock.takeMs()).toBe(0)
  expect(isDone).toBe(false)
  expect(clock.nextPass()).toEqual({})
  clock.beforeSubmit()
  expect(await clock.takeMs()).toBeGreaterThan(0)
  expect(isDone).toBe(true)
})
