import { expect, test } from "bun:test"
import * as fc from "fast-check"
import type { Arena, Span, SpanUse } from "./Arena.ts"
import { ArenaFullError } from "./ArenaFullError.ts"
import { createArena } from "./createArena.ts"

const SEGMENT = 2 ** 16

function withArena(run: (arena: Arena) => void, limitBytes = Number.POSITIVE_INFINITY): void {
  const arena = createArena({ segmentBytes: SEGMENT, limitBytes })
  try {
    run(arena)
  } finally {
    arena.close()
  }
}

const overlaps = (a: Span, b: Span): boolean =>
  a.segment === b.segment && a.offset < b.offset + b.bytes && b.offset < a.offset + a.bytes

/** Allocates where positive, frees the (modulo) n-th live span where negative. */
const actions = fc.array(
  fc.oneof(fc.integer({ min: 1, max: 5000 }), fc.integer({ min: 1, max: 100_000 }), fc.integer({ min: -50, max: -1 })),
  { maxLength: 60 },
)

test("createArena: spans are aligned, apart, zeroed and counted through any order of allocate and free", () => {
  fc.assert(
    fc.property(actions, (steps) =>
      withArena((arena) => {
        const live: Span[] = []
        for (const step of steps) {
          if (step > 0) {
            const span = arena.allocate(step)
            expect(span.bytes).toBe(step)
            expect(span.offset % (step >= 4096 ? 4096 : 64)).toBe(0)
            expect(live.some((other) => overlaps(span, other))).toBe(false)
            const bytes = arena.bytes(span)
            expect(bytes.every((byte) => byte === 0)).toBe(true)
            bytes.fill(0xff)
            live.push(span)
          } else if (live.length > 0) {
            arena.free(live.splice(-step % live.length, 1)[0]!)
          }
          expect(arena.usedBytes).toBe(live.reduce((sum, span) => sum + Math.ceil(span.bytes / 64) * 64, 0))
        }
        for (const span of live) arena.free(span)
        expect(arena.usedBytes).toBe(0)
      }),
    ),
    { numRuns: 60 },
  )
})

/** Where a span goes by a search through those that live: the first place of the first segment of its use that has room. */
function firstFit(
  segments: { readonly use: SpanUse; readonly bytes: number }[],
  live: readonly Span[],
  bytes: number,
  use: SpanUse,
): { segment: number; offset: number } {
  const alignment = bytes > 4096 - 64 ? 4096 : 64
  const up = (value: number, multiple: number): number => Math.ceil(value / multiple) * multiple
  for (const [segment, of] of segments.entries()) {
    if (of.use !== use) continue
    const inside = live.filter((span) => span.segment === segment)
    const offsets = [0, ...inside.map((span) => up(up(span.offset + span.bytes, 64), alignment))]
    for (const offset of offsets.toSorted((a, b) => a - b)) {
      const wanted = { segment, offset, bytes: up(bytes, 64) }
      const isFree = inside.every((span) => !overlaps({ ...span, bytes: up(span.bytes, 64) }, wanted))
      if (isFree && offset + wanted.bytes <= of.bytes) return { segment, offset }
    }
  }
  segments.push({ use, bytes: Math.max(SEGMENT, up(bytes, 64)) })
  return { segment: segments.length - 1, offset: 0 }
}

test("createArena: each span goes to the first place that has room, as if every freed one had never been", () => {
  const order = fc.array(
    fc.tuple(fc.oneof(fc.integer({ min: -50, max: -1 }), fc.integer({ min: 1, max: 30_000 })), fc.boolean()),
    {
      minLength: 20,
      maxLength: 80,
      size: "max",
    },
  )
  fc.assert(
    fc.property(order, (steps) =>
      withArena((arena) => {
        const live: Span[] = []
        const segments: { use: SpanUse; bytes: number }[] = []
        for (const [step, isWhole] of steps) {
          if (step < 0) {
            if (live.length > 0) arena.free(live.splice(-step % live.length, 1)[0]!)
            continue
          }
          const use = isWhole ? "whole" : "sparse"
          const expected = firstFit(segments, live, step, use)
          const span = arena.allocate(step, use)
          expect(span).toEqual({ ...expected, bytes: step })
          live.push(span)
        }
      }),
    ),
    { numRuns: 60 },
  )
})

test("createArena: spans are found again by address, and the limit is reached to the byte", () => {
  withArena((arena) => {
    const [first, second] = [arena.allocate(64), arena.allocate(100)]
    expect(arena.address(second) - arena.address(first)).toBe(64)
    expect(arena.usedBytes).toBe(192)
    arena.allocate(64)
    expect(() => arena.allocate(1)).toThrow(ArenaFullError)
    // Another length is another span: it is not this one that is allocated.
    expect(() => arena.free({ ...second, bytes: 64 })).toThrow("not allocated")
    expect(() => arena.free({ ...first, segment: 1 })).toThrow("not allocated")
    for (const bytes of [0, -1, 1.5, Number.NaN]) expect(() => arena.allocate(bytes)).toThrow("expected 1 to")
  }, 256)
})

test("createArena: freed neighbours become one gap again, whatever the order", () => {
  withArena((arena) => {
    for (const order of [
      [0, 1, 2, 3],
      [3, 2, 1, 0],
      [1, 3, 0, 2],
    ]) {
      const spans = order.map(() => arena.allocate(SEGMENT / 4))
      for (const i of order) arena.free(spans[i]!)
      const whole = arena.allocate(SEGMENT)
      expect(whole).toEqual({ segment: 0, offset: 0, bytes: SEGMENT })
      arena.free(whole)
    }
  })
})

test("createArena: a span larger than a segment gets one of its own", () => {
  withArena((arena) => {
    arena.allocate(100)
    const large = arena.allocate(5 * SEGMENT)
    expect(large).toEqual({ segment: 1, offset: 0, bytes: 5 * SEGMENT })
    expect(arena.bytes(large).length).toBe(5 * SEGMENT)
    expect(arena.allocate(100).segment).toBe(0)
  })
})

test("createArena: past its limit it says what was wanted, used and allowed, and stays usable", () => {
  withArena((arena) => {
    const span = arena.allocate(8000)
    expect(() => arena.allocate(3000)).toThrow(ArenaFullError)
    expect(() => arena.allocate(3000)).toThrow("3008 bytes wanted, 2000 free (8000 of 10000 are used)")
    arena.free(span)
    expect(arena.allocate(3000).bytes).toBe(3000)
  }, 10_000)
})

test("createArena: a span that is not allocated, or no longer, is refused", () => {
  withArena((arena) => {
    const span = arena.allocate(64)
    expect(() => arena.free({ ...span, offset: 64 })).toThrow("0:64+64 is not allocated")
    arena.free(span)
    expect(() => arena.free(span)).toThrow("not allocated")
    expect(() => arena.bytes(span)).toThrow("not allocated")
    expect(() => arena.allocate(2 ** 31 + 1)).toThrow("split what is larger")
  })
})

test("createArena: rows are zeroed views of exactly their span", () => {
  withArena((arena) => {
    const rows = arena.rows(3, 5)
    expect([rows.width, rows.values.length, rows.span.bytes]).toEqual([5, 15, 60])
    rows.values.fill(1)
    expect(arena.bytes(rows.span).every((byte, i) => byte === [0, 0, 0x80, 0x3f][i % 4])).toBe(true)
    expect(arena.rows(0, 5).values.length).toBe(0)
  })
})

test("createArena: cache rows are values in f32, and two to a word in bf16", () => {
  withArena((arena) => {
    const plain = arena.cacheRows("f32", 3, 6)
    expect("values" in plain && [plain.values.length, plain.span.bytes]).toEqual([18, 72])
    const format = "bf16/8"
    const pairs = arena.cacheRows(format, 3, 6)
    expect("words" in pairs && [pairs.words.length, pairs.span.bytes, pairs.width, pairs.format]).toEqual([
      9,
      36,
      6,
      format,
    ])
    const none = arena.cacheRows(format, 0, 6)
    expect("words" in none && none.words.length).toBe(0)
  })
})

const onLinux = process.platform === "linux"

test.if(onLinux)("createArena: untouched memory costs nothing and freed pages go back to the system", () => {
  const arena = createArena()
  const before = process.memoryUsage.rss()
  const span = arena.allocate(2 ** 30)
  const bytes = arena.bytes(span)
  expect(process.memoryUsage.rss() - before).toBeLessThan(2 ** 26)
  bytes.fill(1, 0, 2 ** 28)
  expect(process.memoryUsage.rss() - before).toBeGreaterThan(2 ** 27)
  arena.free(span)
  expect(process.memoryUsage.rss() - before).toBeLessThan(2 ** 26)
  // The largest span that there may be.
  expect(arena.bytes(arena.allocate(2 ** 31)).length).toBe(2 ** 31)
  expect(process.memoryUsage.rss() - before).toBeLessThan(2 ** 26)
  arena.close()
})

test.if(onLinux)("createArena: close leaves no mapping behind, and views of length 0", async () => {
  const countMappings = async (): Promise<number> => (await Bun.file("/proc/self/maps").text()).split("\n").length
  const before = await countMappings()
  const views: Uint8Array[] = []
  for (let i = 0; i < 50; i++) {
    const arena = createArena()
    const bytes = arena.bytes(arena.allocate(10_000))
    bytes[0] = 1
    views.push(bytes)
    arena.close()
    expect(arena.usedBytes).toBe(0)
  }
  expect(views.every((view) => view.length === 0 && view[0] === undefined)).toBe(true)
  expect((await countMappings()) - before).toBeLessThan(25)
})

test.if(onLinux)("createArena: address space that the system does not give is an error, not a crash", () => {
  expect(() => createArena({ segmentBytes: 2 ** 47 }).allocate(1)).toThrow("no 140737488355328 bytes of address space")
})
