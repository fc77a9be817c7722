import { parseCalendar } from "@consilium/scheduling"
import { expect, test } from "bun:test"
import type { ExpertReport } from "../control.ts"
import { createAutoscaler, WINDOW_MS } from "./createAutoscaler.ts"

const NUM_EXPERTS = 64
const TOP_K = 4

/** Experts of a layer whose load falls with their id: a few are used every minute, most hardly ever. */
const expertsAt = (scale: number): ExpertReport[] =>
  Array.from({ length: NUM_EXPERTS }, (_, expert) => ({
    layer: 0,
    expert,
    state: "awake",
    bytes: 1,
    replicas: 0,
    domains: [0],
    version: "original",
    load: scale / 4 ** expert,
    timeShare: 0,
    shareOfTokens: 0,
    numFailures: 0,
  }))

test("createAutoscaler: a quiet service keeps few experts awake, a busy one more, and an event is prepared for before it begins", () => {
  const clock = { ms: Date.UTC(2026, 10, 26, 8, 0) }
  const calendar = parseCalendar(
    {
      timeZone: "UTC",
      events: [{ name: "livestream", on: "daily", at: "20:00", minutes: 60, factor: 64 }],
    },
    "test",
  )
  const scaler = createAutoscaler(calendar, () => clock.ms)
  /** Runs minutes of so many requests each; returns the last plan. */
  const run = (minutes: number, requests: number, load: number): number | null => {
    let planned: number | null = null
    for (let minute = 0; minute < minutes; minute++) {
      clock.ms += WINDOW_MS
      for (let r = 0; r < requests; r++) scaler.noteRequest()
      planned = scaler.plan(expertsAt(load), TOP_K)
    }
    return planned
  }
  const quiet = run(60, 4, 1)!
  expect(quiet).toBeGreaterThanOrEqual(TOP_K)
  expect(quiet).toBeLessThan(NUM_EXPERTS / 4)
  const busy = run(60, 400, 1000)!
  expect(busy).toBeGreaterThan(quiet)
  expect(run(30, 4, 1)!).toBeLessThan(busy)
  // 19:57, three minutes before the event; then 19:58.5 and after.
  run((Date.UTC(2026, 10, 26, 19, 57) - clock.ms) / WINDOW_MS, 4, 1)
  const before = run(0, 4, 1) ?? scaler.plan(expertsAt(1), TOP_K)!
  clock.ms = Date.UTC(2026, 10, 26, 19, 58, 30)
  expect(scaler.plan(expertsAt(1), TOP_K)!).toBeGreaterThan(before)
})
