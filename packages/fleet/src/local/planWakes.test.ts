import { expect, test } from "bun:test"
import type { EventCalendar } from "@consilium/scheduling"
import { planWakes, type WakeCandidate } from "./planWakes.ts"

const expert = (name: string, requests: number[], change: Partial<WakeCandidate> = {}): WakeCandidate => ({
  name,
  isAwake: false,
  requests,
  events: [],
  ...change,
})
const NOW = Date.UTC(2026, 10, 26, 12, 0)
const calendar: EventCalendar = {
  timeZone: "UTC",
  events: [
    { name: "earnings", hour: 12, minute: 1, durationMs: 3_600_000, factor: 4, recurs: { kind: "daily" }, experts: [] },
    { name: "siesta", hour: 12, minute: 0, durationMs: 3_600_000, factor: 0.2, recurs: { kind: "daily" }, experts: [] },
  ],
}

test("planWakes: who has been asked all along is expected, who never was is not", () => {
  const experts = [
    expert("rare", [0, 0, 0, 0]),
    expert("usual", [3, 4, 3, 4]),
    expert("busy", [9, 9, 9, 9]),
    expert("new", []),
  ]
  expect(planWakes(experts, undefined, NOW)).toEqual(["busy", "usual"])
  expect(planWakes([expert("up", [9, 9], { isAwake: true })], undefined, NOW)).toEqual([])
})

test("planWakes: the hour at which an expert was asked yesterday and the day before is expected today", () => {
  const day = Array.from({ length: 144 }, (_, window) => (window >= 60 && window < 66 ? 12 : 0))
  const until = (window: number): number[] => [...day, ...day, ...day.slice(0, window)]
  expect(planWakes([expert("a", until(60))], undefined, NOW)).toEqual(["a"])
  expect(planWakes([expert("a", until(30))], undefined, NOW)).toEqual([])
})

test("planWakes: an event wakes its experts two minutes before it begins; one that brings no load wakes nobody", () => {
  const experts = [
    expert("usual", [5, 5, 5]),
    expert("risk", [0], { events: ["earnings"] }),
    expert("nap", [0], { events: ["siesta"] }),
  ]
  expect(planWakes(experts, calendar, NOW)).toEqual(["risk", "usual"])
  expect(planWakes(experts, calendar, NOW - 120_000)).toEqual(["usual"])
  expect(planWakes(experts, calendar, NOW + 1_800_000)).toEqual(["risk", "usual"])
})
