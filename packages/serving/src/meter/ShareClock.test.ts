import { expect, test } from "bun:test"
import { createShareClock } from "./ShareClock.ts"

test("ShareClock: what runs alone has all of the time, what runs beside others its part, and idle time is nobody's", () => {
  let nowMs = 0
  const clock = createShareClock(() => nowMs)
  nowMs = 100
  const endFirst = clock.join()
  nowMs = 110
  const endSecond = clock.join()
  nowMs = 130
  const first = endFirst()
  nowMs = 135
  const second = endSecond()
  expect([first, second]).toEqual([10 + 20 / 2, 20 / 2 + 5])
  nowMs = 1000
  const endThird = clock.join()
  nowMs = 1001
  expect(endThird()).toBe(1)
})
