import { expect, test } from "bun:test"
import { readFileSync } from "node:fs"
import type { Arena } from "./Arena.ts"
import { createArena } from "./createArena.ts"
import { findMemoryDomains, type MemoryDomains, parseNodeList } from "./memoryDomains.ts"

const SEGMENT = 2 ** 16

function withDomains(domains: MemoryDomains, run: (arena: Arena, reasons: readonly string[]) => void): void {
  const reasons: string[] = []
  const options = { segmentBytes: SEGMENT, limitBytes: 4 * SEGMENT, domains }
  const arena = createArena({ ...options, onUnbound: (reason) => void reasons.push(reason) })
  try {
    run(arena, reasons)
  } finally {
    arena.close()
  }
}

test("findMemoryDomains: one for each node with memory; more share the nodes in turns, fewer are bound to none", () => {
  expect(findMemoryDomains(undefined, [])).toEqual([undefined])
  expect(findMemoryDomains(undefined, [0])).toEqual([undefined])
  expect(findMemoryDomains(undefined, [0, 2])).toEqual([0, 2])
  expect(findMemoryDomains(5, [0, 2])).toEqual([0, 2, 0, 2, 0])
  expect(findMemoryDomains(1, [0, 2])).toEqual([undefined])
  expect(findMemoryDomains(3, [0])).toEqual([undefined, undefined, undefined])
  expect(findMemoryDomains().length).toBeGreaterThanOrEqual(1)
})

test("parseNodeList: reads lists and ranges as Linux writes them", () => {
  expect(parseNodeList("0\n")).toEqual([0])
  expect(parseNodeList(" 0-2,5,7-8\n")).toEqual([0, 1, 2, 5, 7, 8])
  expect(parseNodeList("\n")).toEqual([])
})

test("createArena: spans of different domains, and those of none, never share a segment", () => {
  withDomains([undefined, undefined], (arena) => {
    const spans = [undefined, 0, 1, 1, 0, undefined].map((domain) => arena.allocate(100, "whole", domain))
    expect(spans.map(({ segment }) => segment)).toEqual([0, 1, 2, 2, 1, 0])
    expect(spans.map((span) => arena.domainOf(span))).toEqual([0, 0, 1, 1, 0, 0])
    expect(() => arena.allocate(100, "whole", 2)).toThrow("there is no domain 2, there are 2")
    for (const span of spans) arena.free(span)
    expect(arena.usedBytes).toBe(0)
    expect(arena.allocate(SEGMENT, "whole", 1).segment).toBe(2)
  })
})

test("createArena: its limit is for all domains together", () => {
  withDomains([undefined, undefined], (arena) => {
    const first = arena.allocate(3 * SEGMENT, "whole", 0)
    expect(() => arena.allocate(2 * SEGMENT, "whole", 1)).toThrow("131072 bytes wanted, 65536 free")
    arena.free(first)
    expect(arena.allocate(2 * SEGMENT, "whole", 1).bytes).toBe(2 * SEGMENT)
  })
})

test("createArena: a single domain is all memory, in the segments that there are anyway", () => {
  withDomains([undefined], (arena) => {
    const spans = [arena.allocate(100, "whole"), arena.allocate(100, "whole", 0)]
    expect(spans.map(({ segment }) => segment)).toEqual([0, 0])
  })
})

test("createArena: a segment of a node prefers its memory; where the system refuses, that is told and nothing else happens", () => {
  withDomains([0, 1000], (arena, reasons) => {
    const spans = [0, 1].map((domain) => arena.allocate(5000, "whole", domain))
    for (const span of spans) arena.bytes(span).fill(1)
    // Another segment of the same node tells nothing new.
    const numReasons = reasons.length
    arena.allocate(SEGMENT, "whole", 1)
    expect(reasons.length).toBe(numReasons)
    // No machine has a node 1000; elsewhere than on Linux nothing is bound, and nothing is told.
    if (process.platform !== "linux") return expect(reasons).toEqual([])
    expect(reasons.at(-1)).toStartWith("arena: memory is not bound to NUMA node 1000: ")
    // A sandbox may forbid it, or not know it.
    if (reasons.length > 1 && /errno (1|38)\)/.test(reasons[0]!))
      return console.log(`memoryDomains: policy not looked at: ${reasons[0]}`)
    expect(reasons.length).toBe(1)
    const mapping = readFileSync("/proc/self/numa_maps", "utf8")
      .split("\n")
      .find((line) => line.startsWith(arena.address({ ...spans[0]!, offset: 0 }).toString(16)))
    expect(mapping).toContain("prefer")
    expect(mapping).toMatch(/:0\b/)
  })
})
