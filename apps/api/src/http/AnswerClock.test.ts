import { expect, test } from "bun:test"
import { createAnswerClock } from "./AnswerClock.ts"

test("AnswerClock: first text from the request's arrival, then the mean and the longest gap", () => {
  let now = 1000
  const clock = createAnswerClock(now, () => now)
  const ticks = [40, 2, 2, 30, 2].map((ms) => {
    now += ms
    return clock.tick()
  })
  expect(ticks).toEqual([undefined, 2, 2, 30, 2])
  expect(clock.timing(5)).toEqual({ ttftMs: 40, tpotMs: 9, longestGapMs: 30 })
})

test("AnswerClock: an answer of one token has no time per token, one of none no first", () => {
  let now = 0
  const clock = createAnswerClock(now, () => now)
  expect(clock.timing(0)).toEqual({ ttftMs: 0, tpotMs: 0, longestGapMs: 0 })
  now = 7
  clock.tick()
  expect(clock.timing(1)).toEqual({ ttftMs: 7, tpotMs: 0, longestGapMs: 0 })
})
