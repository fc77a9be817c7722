import { afterAll, expect, test } from "bun:test"
import { noise } from "@consilium/tensor"
import { closeSync, mkdtempSync, openSync, rmSync, truncateSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createArena } from "./createArena.ts"
import { readSpans } from "./readSpans.ts"

const dir = mkdtempSync(join(tmpdir(), "consilium-read-"))
afterAll(() => rmSync(dir, { recursive: true, force: true }))

/** A file of noise, and runs of it of different lengths, out of order. */
function openRuns(name: string, numRuns: number, bytesPerRun: number) {
  const path = join(dir, name)
  const content = new Uint8Array(numRuns * bytesPerRun)
  const pool = new Uint8Array(noise(bytesPerRun / 4, numRuns, 1).buffer)
  for (let r = 0; r < numRuns; r++) content.set(pool.subarray(64 * r), r * bytesPerRun)
  writeFileSync(path, content)
  const arena = createArena()
  const runs = Array.from({ length: numRuns }, (_, r) => ({
    span: arena.allocate(bytesPerRun - 64 * (r % 7), "whole"),
    offset: ((r * 5) % numRuns) * bytesPerRun,
  }))
  const handle = openSync(path, "r")
  const close = (): void => {
    closeSync(handle)
    arena.close()
  }
  return { path, content, arena, runs, handle, close }
}

test.each([
  ["few, on this thread", 7, 4096],
  ["many, on several threads", 40, 2 ** 22],
])("readSpans: %s: each span holds its run, and has its checksum", (name, numRuns, bytesPerRun) => {
  const { content, arena, runs, handle, close } = openRuns(name, numRuns, bytesPerRun)
  const told: number[] = []
  const results = readSpans(arena, handle, runs, 3, (numDone) => void told.push(numDone))
  runs.forEach(({ span, offset }, r) => {
    const expected = content.subarray(offset, offset + span.bytes)
    expect(results[r]).toEqual({ numBytes: span.bytes, checksum: Bun.hash.xxHash3(expected) })
    expect(Buffer.compare(arena.bytes(span), expected)).toBe(0)
  })
  // This thread reads as well, and alone where there is little to read.
  expect(told.length).toBeGreaterThan(0)
  if (numRuns * bytesPerRun < 2 ** 27) expect(told.length).toBe(numRuns)
  expect(told.every((numDone, i) => numDone > (told[i - 1] ?? 0) && numDone <= numRuns)).toBe(true)
  close()
})

test("readSpans: a file that ends too early shows in the runs beyond its end, and in no other", () => {
  const { path, arena, runs, handle, close } = openRuns("short", 10, 4096)
  truncateSync(path, 4096 * 6 + 100)
  const found = readSpans(arena, handle, runs, 1).map(({ numBytes }) => numBytes)
  expect(found).toEqual(runs.map(({ span, offset }) => Math.max(0, Math.min(span.bytes, 4096 * 6 + 100 - offset))))
  close()
})

test("readSpans: a file that cannot be read gives no bytes, rather than a throw in the middle", () => {
  const { arena, runs, close } = openRuns("unreadable", 3, 4096)
  const directory = openSync(dir, "r")
  expect(readSpans(arena, directory, runs, 1).map(({ numBytes }) => numBytes)).toEqual([0, 0, 0])
  closeSync(directory)
  close()
})

test("readSpans: no runs are no work", () => {
  const arena = createArena()
  expect(readSpans(arena, -1, [], 4)).toEqual([])
  arena.close()
})
