import { describe, expect, test } from "bun:test"
import fc from "fast-check"
import { calendarFactor, CalendarError, occurrencesBetween, parseCalendar, refuseUnknownExperts } from "./index.ts"

const LIVESTREAM = { name: "livestream", on: "daily", at: "20:00", minutes: 90, factor: 4 }
const calendarOf = (timeZone: string, ...events: object[]) => parseCalendar({ timeZone, events }, "events.json")
/** When events of a calendar start, in UTC. */
const startsOf = (calendar: ReturnType<typeof calendarOf>, from: string, to: string): string[] =>
  occurrencesBetween(calendar, Date.parse(from), Date.parse(to)).map(({ fromMs }) => new Date(fromMs).toISOString())

describe("parseCalendar", () => {
  test("what is wrong is named with its place, what was expected and what was found", () => {
    const error = (data: unknown): string => {
      try {
        parseCalendar(data, "events.json")
        return "no error"
      } catch (caught) {
        expect(caught).toBeInstanceOf(CalendarError)
        return (caught as Error).message
      }
    }
    const withEvent = (change: object): string => error({ timeZone: "UTC", events: [{ ...LIVESTREAM, ...change }] })
    expect(error(null)).toBe("events.json: expected an object, found null")
    expect(error({ events: [] })).toBe(`events.json: expected a field "timeZone", found none`)
    expect(error({ timeZone: "Moon/Sea", events: [] })).toContain(`an IANA time zone like "Europe/Berlin" or "UTC"`)
    expect(withEvent({ at: "24:00" })).toBe(
      `events.json: events[0].at: expected a time from "00:00" to "23:59", found "24:00"`,
    )
    expect(withEvent({ on: ["2026-02-30"] })).toContain("events[0].on[0]: expected a date that exists")
    expect(withEvent({ on: ["mon", "2026-01-01"] })).toContain("events[0].on[0]")
    expect(withEvent({ on: [] })).toContain("events[0].on")
    expect(withEvent({ factor: Number.POSITIVE_INFINITY })).toContain("events[0].factor: expected a number above 0")
    expect(withEvent({ minutes: "90" })).toContain(`events[0].minutes`)
    expect(withEvent({ factr: 2 })).toContain(`events[0]: unknown field "factr"`)
    expect(withEvent({ experts: [{ layer: 0, expertIds: [1.5] }] })).toContain("events[0].experts[0].expertIds[0]")
    expect(withEvent({ experts: [{ layer: 0, expertIds: [1], copies: 3 }] })).toContain(
      "events[0].experts[0].copies: expected a whole number from 1 to 2, found 3",
    )
    expect(withEvent({ name: "x".repeat(10_000) }).length).toBeLessThan(250)
    expect(error({ timeZone: "UTC", events: Array.from({ length: 5000 }, () => LIVESTREAM) })).toContain(
      "a list of at most 1000, found a list of 5000",
    )
    expect(error(JSON.parse(`{"timeZone": "UTC", "events": [], "__proto__": {}}`))).toContain("unknown field")
  })

  test("whatever it is given, it returns a calendar or throws a CalendarError", () => {
    fc.assert(
      fc.property(fc.anything({ withBigInt: true, withDate: true }), fc.jsonValue(), (timeZone, events) => {
        for (const data of [timeZone, { timeZone: "UTC", events }, { timeZone: "UTC", events: [events] }]) {
          try {
            parseCalendar(data, "x")
          } catch (error) {
            expect(error).toBeInstanceOf(CalendarError)
          }
        }
      }),
    )
  })
})

describe("refuseUnknownExperts", () => {
  const check = (layer: number, ...expertIds: number[]) => {
    const calendar = calendarOf("UTC", LIVESTREAM, { ...LIVESTREAM, experts: [{ layer, expertIds }] })
    return () => refuseUnknownExperts(calendar, "events.json", (of) => (of === 3 ? 8 : 0))
  }

  test("an expert or a layer that the model does not have is named with its place", () => {
    expect(check(3, 0, 7)).not.toThrow()
    expect(check(3, 0, 8)).toThrow(
      new CalendarError("events.json: events[1].experts[0].expertIds: expected experts of layer 3, 0 to 7, found 8"),
    )
    expect(check(4, 0)).toThrow(
      new CalendarError(
        "events.json: events[1].experts[0].layer: expected a layer of the model that has experts, found 4",
      ),
    )
  })
})

describe("occurrencesBetween", () => {
  test("a daily event comes at its hour by the zone's clocks, also when they are put forward or back", () => {
    const berlin = calendarOf("Europe/Berlin", LIVESTREAM)
    expect(startsOf(berlin, "2026-03-28T00:00Z", "2026-03-30T00:00Z")).toEqual([
      "2026-03-28T19:00:00.000Z",
      "2026-03-29T18:00:00.000Z",
    ])
    expect(startsOf(calendarOf("Asia/Shanghai", LIVESTREAM), "2026-03-29T00:00Z", "2026-03-30T00:00Z")).toEqual([
      "2026-03-29T12:00:00.000Z",
    ])
  })

  test("a time that clocks skip is that much later, one that they show twice is the first", () => {
    const night = calendarOf("Europe/Berlin", { ...LIVESTREAM, at: "02:30", minutes: 10 })
    expect(startsOf(night, "2026-03-29T00:00Z", "2026-03-29T12:00Z")).toEqual(["2026-03-29T01:30:00.000Z"])
    expect(startsOf(night, "2026-10-25T00:00Z", "2026-10-25T12:00Z")).toEqual(["2026-10-25T00:30:00.000Z"])
  })

  test("weekdays and dates are the zone's own, and one that began before is still found while it lasts", () => {
    const monday = calendarOf("Pacific/Auckland", { ...LIVESTREAM, on: ["mon"], at: "08:00" })
    expect(startsOf(monday, "2026-11-08T00:00Z", "2026-11-16T00:00Z")).toEqual([
      "2026-11-08T19:00:00.000Z",
      "2026-11-15T19:00:00.000Z",
    ])
    const sale = calendarOf("UTC", { ...LIVESTREAM, on: ["2026-11-11"], at: "00:00", minutes: 1440 })
    expect(startsOf(sale, "2026-11-11T23:00Z", "2026-11-12T23:00Z")).toEqual(["2026-11-11T00:00:00.000Z"])
    expect(startsOf(sale, "2026-11-12T00:00Z", "2026-11-12T23:00Z")).toEqual([])
  })

  test("the factor of a window is that of the times in it; of events at once the largest counts", () => {
    const calendar = calendarOf("UTC", LIVESTREAM, { ...LIVESTREAM, name: "other", at: "21:00", factor: 2 })
    const hour = (from: string): number => {
      const fromMs = Date.parse(`2026-05-05T${from}Z`)
      return calendarFactor(occurrencesBetween(calendar, fromMs, fromMs + 3_600_000), fromMs, fromMs + 3_600_000)
    }
    expect([hour("19:00"), hour("19:30"), hour("20:00"), hour("21:00"), hour("22:00")]).toEqual([1, 2.5, 4, 3, 1.5])
  })
})
