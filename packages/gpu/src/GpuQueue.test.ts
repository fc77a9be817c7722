import { expect, test } from "bun:test"
import { join } from "node:path"
import { openGpuQueue } from "./GpuQueue.ts"

const script = new URL("../test/hangingWorker.ts", import.meta.url)
const ANSWER_MS = 200
const HANGS = /^gpu: expected an answer of the device within 0.2 s, found none: its driver hangs$/

test("a worker whose driver hangs is left behind: another opens the next device, a few times", () => {
  const queue = openGpuQueue({ script, answerMs: ANSWER_MS })
  for (let n = 1; n < 4; n++) {
    queue.destroyBuffer(0)
    expect(() => queue.run()).toThrow(HANGS)
    expect(queue.isLost).toBe(true)
    expect(queue.numBuffers).toBe(0)
    queue.begin()
    expect([queue.isLost, queue.generation]).toEqual([false, n + 1])
    queue.createBuffer(4)
    queue.run()
  }
  queue.destroyBuffer(0)
  expect(() => queue.run()).toThrow(HANGS)
  expect(() => queue.begin()).toThrow("gpu: its driver hung 4 times")
  expect(() => queue.tryOpen()).toThrow("gpu: its driver hung 4 times")
  queue.close()
})

test("a device is opened while the caller goes on, and is not waited for", async () => {
  const queue = openGpuQueue({ script, answerMs: ANSWER_MS })
  expect(queue.tryOpen()).toBe(true)
  queue.destroyBuffer(0)
  expect(() => queue.run()).toThrow(HANGS)
  // A worker takes some milliseconds to start.
  expect(queue.tryOpen()).toBe(false)
  expect(queue.isLost).toBe(true)
  while (!queue.tryOpen()) await Bun.sleep(1)
  expect(queue.generation).toBe(2)
  queue.run()
  queue.close()
})

test("a thread that hangs keeps no process from its end", async () => {
  const code = `
    const { openGpuQueue } = await import(${JSON.stringify(join(import.meta.dir, "GpuQueue.ts"))})
    const queue = openGpuQueue({ script: new URL(${JSON.stringify(script.href)}), answerMs: ${ANSWER_MS} })
    queue.destroyBuffer(0)
    try { queue.run() } catch (error) { console.log(error.message) }
    queue.close()`
  const process_ = Bun.spawn([process.execPath, "-e", code], { stdout: "pipe", timeout: 20_000 })
  expect((await new Response(process_.stdout).text()).trim()).toMatch(HANGS)
  expect(await process_.exited).toBe(0)
})
