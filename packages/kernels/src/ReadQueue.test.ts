import { afterAll, expect, test } from "bun:test"
import { noise } from "@consilium/tensor"
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createArena } from "./createArena.ts"
import { createReadQueue } from "./ReadQueue.ts"

const dir = mkdtempSync(join(tmpdir(), "consilium-queue-"))
afterAll(() => rmSync(dir, { recursive: true, force: true }))

const RUN = 1 << 16
const NUM_RUNS = 40

/** A file of runs of noise, and a queue that reads them. */
function openQueue(numThreads: number) {
  const path = join(dir, `runs-${numThreads}`)
  const content = new Uint8Array(noise((NUM_RUNS * RUN) / 4, 3, 1).buffer)
  writeFileSync(path, content)
  const arena = createArena({})
  const queue = createReadQueue(arena, numThreads)
  const handle = openSync(path, "r")
  const request = (run: number, bytes = RUN) => ({
    handle,
    offset: run * RUN,
    bytes,
    checkedBytes: bytes - 100,
    span: arena.allocate(bytes, "whole"),
  })
  const close = (): void => {
    queue.close()
    closeSync(handle)
    arena.close()
  }
  return { content, arena, queue, request, close }
}

test.each([0, 1, 3])(
  "ReadQueue: with %d threads every span holds its run, and has the checksum of what was to be checked",
  (numThreads) => {
    const { content, arena, queue, request, close } = openQueue(numThreads)
    const reads = Array.from({ length: NUM_RUNS }, (_, run) => {
      const asked = request(run)
      return { run, asked, ticket: queue.submit(asked, run % 3 === 0)! }
    })
    for (const { run, asked, ticket } of reads) {
      queue.wait(ticket)
      const expected = content.subarray(run * RUN, (run + 1) * RUN)
      expect(queue.take(ticket)).toEqual({ numBytes: RUN, checksum: Bun.hash.xxHash3(expected.subarray(0, RUN - 100)) })
      expect(Buffer.compare(arena.bytes(asked.span), expected)).toBe(0)
    }
    expect(queue.numDone).toBe(NUM_RUNS)
    close()
  },
)

test("ReadQueue: urgent reads pass others, hurried ones too; of one urgency the oldest comes first", () => {
  const { queue, request, close } = openQueue(0)
  const [first, second, urgent, third] = [false, false, true, false].map((isUrgent, run) =>
    queue.submit(request(run), isUrgent)!,
  )
  queue.hurry(third!)
  // Without threads a wait reads here, one after the other, until what it waits for is done.
  queue.wait(third!)
  expect([first, second, urgent, third].map((ticket) => queue.isDone(ticket!))).toEqual([false, false, true, true])
  queue.wait(first!)
  expect(queue.isDone(second!)).toBe(false)
  expect(() => queue.take(second!)).toThrow("is not done")
  close()
})

test("ReadQueue: a file that ends too early shows in the number of bytes, and a full queue takes no more until one is taken", () => {
  const { queue, request, close } = openQueue(1)
  const last = queue.submit(request(NUM_RUNS - 1, 2 * RUN), true)!
  queue.wait(last)
  expect(queue.take(last).numBytes).toBe(RUN)
  const tickets: number[] = []
  for (let ticket = queue.submit(request(0), false); ticket !== undefined; ticket = queue.submit(request(0), false))
    tickets.push(ticket)
  expect(tickets.length).toBe(256)
  queue.wait(tickets[0]!)
  queue.take(tickets[0]!)
  expect(queue.submit(request(1), false)).toBe(tickets[0]!)
  close()
})

test("ReadQueue: closed with reads under way, it forgets those that nobody has begun and waits for the others", () => {
  const { queue, request, close } = openQueue(2)
  for (let run = 0; run < NUM_RUNS; run++) queue.submit(request(run), false)
  close()
  expect(queue.numDone).toBeLessThanOrEqual(NUM_RUNS)
})
