import { parseCalendar, PLAN_MS, SCALE_TUNING } from "@consilium/scheduling"
import { expect, test } from "bun:test"
import type { ExpertReport } from "../control.ts"
import { type AutoscalePlan, createAutoscaler } from "./createAutoscaler.ts"

const NUM_EXPERTS = 32
const TOP_K = 4
const LAYERS = [2, 5]
const DAY_MS = Date.UTC(2026, 10, 26)
const calendar = parseCalendar(
  {
    timeZone: "UTC",
    events: [
      {
        name: "livestream",
        on: "daily",
        at: "20:00",
        minutes: 60,
        factor: 8,
        experts: [{ layer: 5, expertIds: [17, 30], copies: 2 }],
      },
    ],
  },
  "test",
)

/** An autoscaler at 8 in the morning, and its clock. */
function start() {
  const clock = { ms: DAY_MS + 8 * 3_600_000 }
  const scaler = createAutoscaler(calendar, TOP_K, () => clock.ms)
  return {
    /** Runs minute by minute until it is `hour:minute`, one request in each that uses experts 0 to 5; returns the last plan. */
    until(hour: number, minute: number, version = "original"): AutoscalePlan {
      const untilMs = DAY_MS + (hour * 60 + minute) * 60_000
      for (;;) {
        clock.ms += PLAN_MS
        scaler.noteRequest()
        const plan = scaler.plan(expertsAt(clock.ms - 1000, version))
        if (clock.ms >= untilMs) return plan
      }
    },
  }
}

const expertsAt = (usedMs: number, version: string): ExpertReport[] =>
  LAYERS.flatMap((layer) =>
    Array.from({ length: NUM_EXPERTS }, (_, expert) => ({
      layer,
      expert,
      state: "awake",
      bytes: 1,
      replicas: 0,
      domains: [0],
      version,
      load: 0,
      timeShare: 0,
      usedMs: expert < 6 ? usedMs : 0,
      shareOfTokens: 0,
      numFailures: 0,
    })),
  )
const awakeIn = ({ keep }: AutoscalePlan, layer: number): number[] =>
  keep.layers.find((of) => of.layer === layer)!.awake.toSorted((a, b) => a - b)
const used = [0, 1, 2, 3, 4, 5]

test("createAutoscaler: experts that an event names are asked for before it begins, and let sleep after it", () => {
  const { until } = start()
  const before = until(19, 56)
  expect(LAYERS.map((layer) => awakeIn(before, layer))).toEqual([used, used])
  expect(before.isEventDue).toBe(false)
  const due = until(19, 57)
  expect(LAYERS.map((layer) => awakeIn(due, layer))).toEqual([used, [...used, 17, 30]])
  expect(due.keep.layers[1]).toMatchObject({ numNamed: 2, twice: [17, 30] })
  expect(due.isEventDue).toBe(true)
  expect(awakeIn(until(20, 59), 5)).toEqual([...used, 17, 30])
  const over = until(21, SCALE_TUNING.quietPlans)
  expect(LAYERS.map((layer) => awakeIn(over, layer))).toEqual([used, used])
  expect(over.keep.layers[1]!.twice).toEqual([])
  expect(over.isEventDue).toBe(false)
})

test("createAutoscaler: who was used in the last minute is asked for, whatever version of it was", () => {
  const { until } = start()
  expect(awakeIn(until(12, 0, "2-0-0123456789abcdef"), 2)).toEqual(used)
})

test("createAutoscaler: without an engine it asks for no expert, and still knows of events", () => {
  const clock = { ms: DAY_MS + 19.9 * 3_600_000 }
  const scaler = createAutoscaler(calendar, TOP_K, () => clock.ms)
  expect(scaler.plan([])).toEqual({ keep: { kind: "keep", layers: [] }, isEventDue: false })
  clock.ms = DAY_MS + 20 * 3_600_000 - SCALE_TUNING.leadMs
  expect(scaler.plan([])).toEqual({ keep: { kind: "keep", layers: [] }, isEventDue: true })
})
