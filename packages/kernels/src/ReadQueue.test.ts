import { afterAll, afterEach, expect, mock, spyOn, test } from "bun:test"
import { noise } from "@consilium/tensor"
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createArena } from "./createArena.ts"
import { createReadQueue } from "./ReadQueue.ts"
import { TICKET } from "./readTickets.ts"

const dir = mkdtempSync(join(tmpdir(), "consilium-queue-"))
afterAll(() => rmSync(dir, { recursive: true, force: true }))
afterEach(() => mock.restore())

/** Lets waits of this thread end at once, and returns how long each was to be. */
function skipWaits(): number[] {
  const waits: number[] = []
  spyOn(Atomics, "wait").mockImplementation(((...args: readonly unknown[]) => {
    waits.push(args[3] as number)
    return "timed-out"
  }) as typeof Atomics.wait)
  return waits
}

const RUN = 1 << 16
const NUM_RUNS = 40

/** Runs of noise. */
const content = new Uint8Array(noise((NUM_RUNS * RUN) / 4, 3, 1).buffer)
const path = join(dir, "runs")
writeFileSync(path, content)

/** A queue that reads the runs. */
function openQueue(numThreads: number) {
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
  return { arena, queue, request, close }
}

test.each([0, 1, 3])(
  "ReadQueue: with %d threads every span holds its run, and has the checksum of what was to be checked",
  (numThreads) => {
    const { arena, queue, request, close } = openQueue(numThreads)
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

test("ReadQueue: who waits reads what is urgent, and what nobody is in a hurry for only when nothing moves", () => {
  const { queue, request, close } = openQueue(0)
  const waits = skipWaits()
  const [calm, urgent] = [queue.submit(request(0), false)!, queue.submit(request(1), true)!]
  queue.waitForNext(0)
  expect([queue.isDone(calm), queue.isDone(urgent), waits.length]).toEqual([false, true, 0])
  // What it was asked about is done: it returns at once.
  queue.waitForNext(0)
  expect([queue.isDone(calm), waits.length]).toEqual([false, 0])
  queue.waitForNext(1)
  expect([queue.isDone(calm), waits]).toEqual([true, [20]])
  close()
})

test("ReadQueue: the oldest read comes first, whatever place in the queue it has", () => {
  const { queue, request, close } = openQueue(0)
  const [first, second] = [queue.submit(request(0), true)!, queue.submit(request(1), true)!]
  queue.waitForNext(0)
  queue.take(first)
  const third = queue.submit(request(2), true)!
  expect(third).toBe(first)
  queue.waitForNext(1)
  expect([queue.isDone(second), queue.isDone(third)]).toEqual([true, false])
  close()
})

test("ReadQueue: a read is taken once, and hurrying one that is done leaves it done", () => {
  const { queue, request, close } = openQueue(0)
  const ticket = queue.submit(request(0), false)!
  queue.wait(ticket)
  queue.hurry(ticket)
  expect(queue.isDone(ticket)).toBe(true)
  queue.take(ticket)
  expect(queue.isDone(ticket)).toBe(false)
  expect(() => queue.take(ticket)).toThrow(`read ${ticket} is not done`)
  close()
})

test("ReadQueue: threads read what nobody waits for, reads that come later too", async () => {
  const { queue, request, close } = openQueue(1)
  for (const run of [0, 1, 2]) {
    const ticket = queue.submit(request(run), false)!
    while (!queue.isDone(ticket)) await new Promise(setImmediate)
  }
  close()
})

test("ReadQueue: as many reads are slow as were asked to be, and no more", () => {
  const { queue, request, close } = openQueue(0)
  const waits = skipWaits()
  queue.slow(2)
  queue.slow(1)
  for (let run = 0; run < 6; run++) {
    queue.wait(queue.submit(request(run), false)!)
    expect(waits).toEqual(Array.from({ length: Math.min(run + 1, 3) }, () => 50))
  }
  queue.slow(1)
  queue.wait(queue.submit(request(6), false)!)
  expect(waits.length).toBe(4)
  close()
})

test("ReadQueue: two threads that see one slow read share it: the next one that is asked for is slow again", () => {
  const { queue, request, close } = openQueue(0)
  const waits = skipWaits()
  const load = Atomics.load
  queue.slow(1)
  const looking = spyOn(Atomics, "load").mockImplementation(((values: Int32Array, index: number) => {
    const found = load(values, index)
    // Another thread takes the one slow read between this thread's look and its own taking.
    if (values.length === 4 && index === TICKET.numSlow && found === 1) Atomics.sub(values, index, 1)
    return found
  }) as typeof Atomics.load)
  queue.wait(queue.submit(request(0), false)!)
  looking.mockRestore()
  queue.slow(1)
  queue.wait(queue.submit(request(1), false)!)
  expect(waits).toEqual([50])
  close()
})

test("ReadQueue: a file that cannot be read gives no bytes, and the checksum of what is there", () => {
  const { arena, queue, request, close } = openQueue(0)
  const asked = { ...request(0), handle: -1 }
  const ticket = queue.submit(asked, true)!
  queue.wait(ticket)
  const zeros = Bun.hash.xxHash3(arena.bytes(asked.span).subarray(0, RUN - 100))
  expect(queue.take(ticket)).toEqual({ numBytes: 0, checksum: zeros })
  close()
})

test("ReadQueue: closed, it forgets those that nobody has begun", () => {
  const { queue, request, close } = openQueue(0)
  const tickets = Array.from({ length: NUM_RUNS }, (_, run) => queue.submit(request(run), run % 2 === 0)!)
  close()
  expect(queue.numDone).toBe(0)
  expect(tickets.some((ticket) => queue.isDone(ticket))).toBe(false)
})

test("ReadQueue: closed, it waits for those that have begun: one a thread at most", () => {
  const { queue, request, close } = openQueue(2)
  queue.slow(NUM_RUNS)
  for (let run = 0; run < NUM_RUNS; run++) queue.submit(request(run), false)
  queue.waitForNext(0)
  const before = queue.numDone
  close()
  expect(queue.numDone).toBeGreaterThanOrEqual(before)
  expect(queue.numDone).toBeLessThanOrEqual(before + 2)
})
