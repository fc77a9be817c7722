import { createArena, type Span } from "@consilium/kernels"
import { expect, test } from "bun:test"
import fc from "fast-check"
import { createFramePool, type FramePool } from "./FramePool.ts"

const FRAME = 4096
const NUM_DOMAINS = 3

function withPool(run: (pool: FramePool, arena: ReturnType<typeof createArena>) => void): void {
  const arena = createArena({ segmentBytes: 2 ** 20, domains: Array.from({ length: NUM_DOMAINS }, () => undefined) })
  try {
    run(createFramePool(arena, FRAME), arena)
  } finally {
    arena.close()
  }
}

/** Takes a frame of a domain, or gives the n-th back where negative. */
const actions = fc.array(fc.oneof(fc.integer({ min: 0, max: NUM_DOMAINS - 1 }), fc.integer({ min: -20, max: -1 })), {
  maxLength: 80,
})

test("createFramePool: a frame lies in the domain that it was taken from, and there are never more than were in use at once", () => {
  fc.assert(
    fc.property(actions, (steps) =>
      withPool((pool, arena) => {
        const inUse: Span[] = []
        let most = 0
        for (const step of steps) {
          if (step >= 0) {
            const frame = pool.take(step)
            expect(arena.domainOf(frame)).toBe(step)
            expect(inUse).not.toContainEqual(frame)
            inUse.push(frame)
          } else if (inUse.length > 0) pool.give(inUse.splice(-step % inUse.length, 1)[0]!)
          most = Math.max(most, inUse.length)
          expect(arena.usedBytes).toBeLessThanOrEqual(most * FRAME)
        }
        pool.trim(0)
        expect(arena.usedBytes).toBe(inUse.length * FRAME)
      }),
    ),
  )
})

test("createFramePool: a free frame is used again where its domain is wanted, and keeps its memory when trim says so", () =>
  withPool((pool, arena) => {
    const frames = [0, 1, 1].map(pool.take)
    for (const frame of frames) pool.give(frame)
    pool.trim(2)
    expect(arena.usedBytes).toBe(2 * FRAME)
    expect(frames).toContainEqual(pool.take(1))
    expect(arena.usedBytes).toBe(2 * FRAME)
  }))
