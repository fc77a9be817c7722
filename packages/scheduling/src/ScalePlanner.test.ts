import { createRandom } from "@consilium/tensor"
import { describe, expect, test } from "bun:test"
import {
  createScalePlanner,
  type EventCalendar,
  parseCalendar,
  PLAN_MS,
  SCALE_TUNING,
  type ScaleOrder,
} from "./index.ts"

const NUM_EXPERTS = 16
const TOP_K = 2
const DAY_MINUTES = 1440
const startMs = Date.UTC(2026, 10, 23)
const noEvents: EventCalendar = { timeZone: "UTC", events: [] }
const livestream = parseCalendar(
  {
    timeZone: "UTC",
    events: [
      {
        name: "livestream",
        on: "daily",
        at: "20:00",
        minutes: 60,
        factor: 4,
        experts: [{ layer: 3, expertIds: [9, 11], copies: 2 }],
      },
    ],
  },
  "test",
)

/** Runs a planner minute by minute; `load` says which experts each minute's requests use. */
function start(calendar: EventCalendar) {
  const planner = createScalePlanner(calendar, startMs)
  let awake = new Uint8Array(NUM_EXPERTS)
  let minute = 0
  return {
    until(lastMinute: number, load: (minute: number) => readonly (readonly number[])[]): ScaleOrder {
      for (;;) {
        const requests = load(minute++)
        const used = new Uint8Array(NUM_EXPERTS)
        for (const e of requests.flat()) used[e] = 1
        const nowMs = startMs + minute * PLAN_MS
        const layers = [{ layer: 3, used, awake }]
        const order = planner.plan({ nowMs, numRequests: requests.length, topK: TOP_K, layers })
        awake = new Uint8Array(NUM_EXPERTS)
        for (const e of order.layers[0]!.awake) awake[e] = 1
        if (minute === lastMinute) return order
      }
    },
  }
}
const awakeIn = ({ layers }: ScaleOrder): number[] => layers[0]!.awake.toSorted((a, b) => a - b)
/** One request a minute, always of the same experts. */
const steady = (): readonly number[][] => [[0, 1]]
const at = (hour: number, minute = 0): number => hour * 60 + minute

describe("createScalePlanner", () => {
  test("experts that an event names are awake, twice, from the lead time on, and may sleep some plans after it", () => {
    const planner = start(livestream)
    const leadMinutes = SCALE_TUNING.leadMs / PLAN_MS
    expect(awakeIn(planner.until(at(20) - leadMinutes - 1, steady))).toEqual([0, 1])
    const due = planner.until(at(20) - leadMinutes, steady)
    expect(due.isEventDue).toBe(true)
    expect(due.layers[0]).toMatchObject({ numNamed: 2, twice: [9, 11] })
    expect(due.layers[0]!.awake.slice(0, 2)).toEqual([9, 11])
    expect(awakeIn(planner.until(at(20, 59), steady))).toEqual(expect.arrayContaining([9, 11]))
    const over = planner.until(at(21) + SCALE_TUNING.quietPlans, steady)
    expect(over).toMatchObject({ isEventDue: false, layers: [{ awake: [0, 1], twice: [] }] })
  })

  test("after two days it wakes before the morning whom the morning uses, and lets them sleep at night", () => {
    const planner = start(noEvents)
    const random = createRandom(7)
    /** From 8 to 18 some come together now and then, and use experts 4 to 7. */
    const days = (minute: number): readonly number[][] => {
      const ofDay = minute % DAY_MINUTES
      const isBusy = ofDay >= at(8) && ofDay < at(18) && random() < 0.2
      return isBusy ? Array.from({ length: 5 }, () => [4, 5, 6, 7]) : []
    }
    const third = 3 * DAY_MINUTES
    expect(awakeIn(planner.until(third + at(2), days))).toEqual([4, 5])
    expect(awakeIn(planner.until(third + at(8) - 1, days))).toEqual([4, 5, 6, 7])
    expect(awakeIn(planner.until(third + at(23), days))).toEqual([4, 5])
  })

  test("who is used and not expected stays awake until some plans did without", () => {
    const planner = start(noEvents)
    /** Experts 4 and 5 all the time, 12 once. */
    const once = (minute: number): readonly number[][] => (minute === 2000 ? [[4, 5], [12]] : [[4, 5]])
    expect(awakeIn(planner.until(2000, once))).toEqual([4, 5])
    expect(awakeIn(planner.until(2000 + SCALE_TUNING.quietPlans, once))).toEqual([4, 5, 12])
    expect(awakeIn(planner.until(2001 + SCALE_TUNING.quietPlans, once))).toEqual([4, 5])
  })

  test("those that are awake without a plan stay for some plans, those that sleep and nobody wants are left asleep", () => {
    const planner = createScalePlanner(noEvents, startMs)
    const awake = Uint8Array.from({ length: NUM_EXPERTS }, (_, e) => (e === 8 || e === 9 || e === 13 ? 1 : 0))
    const planAfter = (minute: number): readonly number[] => {
      const layers = [{ layer: 3, used: new Uint8Array(NUM_EXPERTS), awake }]
      return planner.plan({ nowMs: startMs + minute * PLAN_MS, numRequests: 0, topK: TOP_K, layers }).layers[0]!.awake
    }
    for (let minute = 1; minute < SCALE_TUNING.quietPlans; minute++) expect(planAfter(minute)).toEqual([8, 9, 13])
    expect(planAfter(SCALE_TUNING.quietPlans)).toEqual([8, 9])
  })

  test("requests count while there is no engine to plan for", () => {
    const planner = createScalePlanner(noEvents, startMs)
    for (let minute = 1; minute <= 60; minute++) {
      const order = planner.plan({ nowMs: startMs + minute * PLAN_MS, numRequests: 5, topK: TOP_K, layers: [] })
      expect(order.layers).toEqual([])
    }
    expect(planner.expected).toBeCloseTo(50)
  })
})
