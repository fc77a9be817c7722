import { occurrencesBetween, parseCalendar, strongest } from "@consilium/scheduling"
import { createRandom } from "@consilium/tensor"
import { drawTopic, drawTopics, durationOf, type ScaleLoad, type TopicRequest } from "./ScaleLoad.ts"

const NUM_DAYS = 14
const DAY_MS = 86_400_000
const MINUTE_MS = 60_000
/** Midnight of a Monday by the calendar's clocks. */
const START_MS = Date.parse("2026-11-02T00:00:00+08:00")
/** The topic that events concern: one that few ask for otherwise. */
const EVENT_TOPIC = 13
/** Of the busiest minute's rate, what is left at 4 in the morning. */
const NIGHT = 0.05

/**
 * Returns two weeks of a seeded synthetic load: busy days, quiet nights, a livestream each evening at 20:00 that asks for one topic, and a sales day in
 * the second week, both in the calendar.
 *
 * Arrivals are a Poisson process of that rate; events are as large as the calendar says within a factor of 1.5 up or down.
 */
export function synthesizeDays(perHour: number, seed: number): ScaleLoad {
  const random = createRandom(seed)
  const topics = drawTopics(random)
  const experts = [{ layer: 0, expertIds: [...topics[EVENT_TOPIC]!] }]
  const events = [
    { name: "livestream", on: "daily", at: "20:00", minutes: 60, factor: 3, experts },
    { name: "sales day", on: ["2026-11-11"], at: "00:00", minutes: 1440, factor: 2, experts },
  ]
  const calendar = parseCalendar({ timeZone: "Asia/Shanghai", events }, "synthetic calendar")
  const endMs = START_MS + NUM_DAYS * DAY_MS
  const occurrences = occurrencesBetween(calendar, START_MS, endMs)
  const truths = new Map(occurrences.map((one) => [one, 1.5 ** (2 * random() - 1)]))

  const requests: TopicRequest[] = []
  const arrive = (atMs: number, topic: number): void => {
    const uniform = (): number => 1 - random()
    const durationMs = durationOf({
      contextTokens: Math.round(-800 * Math.log(uniform())),
      generatedTokens: Math.round(-150 * Math.log(uniform())),
    })
    requests.push({ atMs: atMs + random() * MINUTE_MS, durationMs, topic })
  }
  for (let atMs = START_MS; atMs < endMs; atMs += MINUTE_MS) {
    const usual = (perHour / 60) * dailyShape((atMs - START_MS) % DAY_MS)
    for (let i = poisson(usual, random); i > 0; i--) arrive(atMs, drawTopic(random))
    const here = strongest(occurrences, atMs)
    if (here === undefined) continue
    for (let i = poisson(usual * (here.event.factor - 1) * truths.get(here)!, random); i > 0; i--)
      arrive(atMs, EVENT_TOPIC)
  }
  return { requests: requests.sort((a, b) => a.atMs - b.atMs), topics, calendar, startMs: START_MS, endMs }
}

/** A day's rate over its mean: least at 4, most at 16 o'clock. */
function dailyShape(ofDayMs: number): number {
  const wave = (1 - Math.cos((2 * Math.PI * (ofDayMs - DAY_MS / 6)) / DAY_MS)) / 2
  // The mean of wave² is 3/8.
  return (NIGHT + (1 - NIGHT) * wave ** 2) / (NIGHT + (1 - NIGHT) * 0.375)
}

/** Draws a Poisson number. @see Knuth, TAOCP vol. 2 §3.4.1 */
function poisson(mean: number, random: () => number): number {
  const limit = Math.exp(-mean)
  let count = -1
  for (let product = 1; product > limit; product *= random()) count++
  return count
}
