import { expect, test } from "bun:test"
import type { Outcome } from "./replayTrace.ts"
import { scoreLoad } from "./scoreLoad.ts"

const LEVEL = { ttftMs: 100, tpotMs: 10 }

/** An answer whose tokens come one by one, `tpotMs` apart. */
const answer = (firstTokenMs: number, tpotMs: number, numTokens: number, lateMs = 0): Outcome => {
  const arrivalsMs = Array.from({ length: numTokens }, (_, i) => firstTokenMs + i * tpotMs)
  return {
    kind: "answered",
    lateMs,
    timing: {
      firstTokenMs,
      totalMs: arrivalsMs.at(-1)!,
      arrivalsMs,
      numTokens,
      numPromptTokens: undefined,
      text: "",
      finishReason: "stop",
    },
  }
}
const score = (...outcomes: Outcome[]) => scoreLoad({ outcomes, elapsedMs: 2000 }, LEVEL, "x64 int8")
const samplesOf = (measurements: ReturnType<typeof score>, name: string, unit: string): readonly number[] | undefined =>
  measurements.find((m) => m.name === name && m.unit === unit)?.samples

test("scoreLoad: goodput is the share of all requests that were answered within the level", () => {
  const measurements = score(
    answer(100, 10, 5),
    answer(101, 1, 5),
    answer(1, 10.1, 5),
    answer(1, 1, 5),
    { kind: "failed", cause: new Error("503") },
    { kind: "unfinished" },
    { kind: "unfinished" },
    answer(99, 1, 1),
  )
  expect(samplesOf(measurements, "goodput", "%")).toEqual([37.5])
  expect(samplesOf(measurements, "goodput", "req/s")).toEqual([1.5])
  expect(measurements.find(({ name }) => name === "goodput")!.note).toBe(
    "first token within 100 ms, then 10 ms a token: 3 of 8 requests, 1 failed, 2 unfinished",
  )
})

test("scoreLoad: what the client sent late counts as waiting", () => {
  const measurements = score(answer(60, 1, 2, 50))
  expect(samplesOf(measurements, "time to first token", "ms")).toEqual([110])
  expect(samplesOf(measurements, "goodput", "%")).toEqual([0])
})

test("scoreLoad: the pace counts tokens, not pieces of text", () => {
  const timing = {
    firstTokenMs: 10,
    totalMs: 70,
    arrivalsMs: [10, 30, 70],
    numTokens: 7,
    numPromptTokens: 3,
    text: "",
    finishReason: "stop",
  }
  const measurements = score({ kind: "answered", lateMs: 0, timing })
  expect(samplesOf(measurements, "time per output token", "ms")).toEqual([10])
  expect(samplesOf(measurements, "one stream", "tok/s")).toEqual([100])
  expect(samplesOf(measurements, "time between pieces of text", "ms")).toEqual([20, 40])
  expect(samplesOf(measurements, "all together", "tok/s")).toEqual([3.5])
})

test("scoreLoad: an answer of one token has no pace", () => {
  const measurements = score(answer(5, 1, 1))
  expect(samplesOf(measurements, "time per output token", "ms")).toBeUndefined()
  expect(samplesOf(measurements, "goodput", "%")).toEqual([100])
})
