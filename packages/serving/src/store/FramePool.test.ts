import { ArenaFullError, createArena } from "@consilium/kernels"
import { expect, test } from "bun:test"
import { createFramePool } from "./FramePool.ts"

const FRAME = 8192

test("createFramePool: what is given back goes to the next one, and only what is not there is new", () => {
  const arena = createArena({ limitBytes: 2 * FRAME })
  const pool = createFramePool(arena, FRAME)
  expect(arena.usedBytes).toBe(0)
  const [first, second] = [pool.take(), pool.take()]
  expect([first.bytes, second.bytes, arena.usedBytes]).toEqual([FRAME, FRAME, 2 * FRAME])
  expect(() => pool.take()).toThrow(ArenaFullError)
  pool.give(first)
  expect(pool.take()).toBe(first)
  expect(arena.usedBytes).toBe(2 * FRAME)
  arena.close()
})

test("createFramePool: trimmed, it keeps as many free frames as it is told, and none that is in use", () => {
  const arena = createArena({})
  const pool = createFramePool(arena, FRAME)
  const frames = Array.from({ length: 4 }, () => pool.take())
  arena.bytes(frames[3]!).fill(7)
  for (const frame of frames.slice(0, 3)) pool.give(frame)
  pool.trim(3)
  expect(arena.usedBytes).toBe(4 * FRAME)
  pool.trim(1)
  expect(arena.usedBytes).toBe(2 * FRAME)
  pool.trim(0)
  expect(arena.usedBytes).toBe(FRAME)
  expect(arena.bytes(frames[3]!).every((byte) => byte === 7)).toBe(true)
  arena.close()
})
