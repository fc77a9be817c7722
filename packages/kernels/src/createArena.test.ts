import { describe, expect, test } from "bun:test"
import fc from "fast-check"
import { createArena, type Span } from "./index.ts"

describe("createArena", () => {
  test("spans never overlap, are aligned, come zeroed, and their bytes are counted", () => {
    const action = fc.oneof(
      fc.record({ kind: fc.constant("allocate"), bytes: fc.integer({ min: 1, max: 20_000 }) }),
      fc.record({ kind: fc.constant("free"), bytes: fc.nat() }),
    )
    fc.assert(
      fc.property(fc.array(action, { maxLength: 60 }), (actions) => {
        const arena = createArena({ segmentBytes: 2 ** 16 })
        const live: Span[] = []
        for (const { kind, bytes } of actions) {
          if (kind === "allocate") {
            const span = arena.allocate(bytes)
            expect(span.offset % (bytes >= 4096 ? 4096 : 64)).toBe(0)
            const view = arena.bytes(span)
            expect(view.length).toBe(bytes)
            expect(view.every((byte) => byte === 0)).toBe(true)
            view.fill(255)
            for (const other of live) {
              if (other.segment !== span.segment) continue
              expect(other.offset + other.bytes <= span.offset || span.offset + span.bytes <= other.offset).toBe(true)
            }
            live.push(span)
          } else if (live.length > 0) arena.free(live.splice(bytes % live.length, 1)[0]!)
          expect(arena.usedBytes).toBe(live.reduce((sum, span) => sum + Math.ceil(span.bytes / 64) * 64, 0))
        }
        for (const span of live) arena.free(span)
        expect(arena.usedBytes).toBe(0)
        arena.close()
      }),
      { numRuns: 50 },
    )
  })

  test("freed neighbours merge: the same room is found again", () => {
    const arena = createArena({ segmentBytes: 2 ** 16 })
    const spans = Array.from({ length: 4 }, () => arena.allocate(2 ** 14))
    for (const i of [2, 0, 3, 1]) arena.free(spans[i]!)
    expect(arena.allocate(2 ** 16)).toEqual({ segment: 0, offset: 0, bytes: 2 ** 16 })
    arena.close()
  })

  test("a span larger than a segment gets one of its own", () => {
    const arena = createArena({ segmentBytes: 2 ** 12 })
    expect(arena.bytes(arena.allocate(2 ** 16)).length).toBe(2 ** 16)
    arena.close()
  })

  test("the limit, an impossible size and a span freed twice are errors that say so", () => {
    const arena = createArena({ limitBytes: 1000 })
    const span = arena.allocate(512)
    expect(() => arena.allocate(512)).toThrow(
      "512 bytes are used and 512 more wanted, the limit is 1000: raise the memory setting",
    )
    arena.free(span)
    expect(() => arena.free(span)).toThrow("is not allocated")
    for (const bytes of [0, -1, 1.5, 2 ** 32]) expect(() => arena.allocate(bytes)).toThrow("expected 1 to")
    arena.close()
  })

  test("a gigabyte that nobody touches costs nothing", () => {
    const before = process.memoryUsage.rss()
    const arena = createArena({})
    arena.rows(2 ** 14, 2 ** 14)
    expect(process.memoryUsage.rss() - before).toBeLessThan(64 * 2 ** 20)
    arena.close()
  })
})
