import type { EventCalendar } from "@consilium/scheduling"
import { createRandom } from "@consilium/tensor"
import type { TracedRequest } from "../load/TracedRequest.ts"

export const NUM_EXPERTS = 128
export const TOP_K = 8
const NUM_TOPICS = 16
const EXPERTS_PER_TOPIC = 24
/** Tokens a second of a prompt, and time of each token after it: as long a request uses its experts. */
const PREFILL_PER_SEC = 500
const TPOT_MS = 25

/** A request as experts see it. */
export interface TopicRequest {
  readonly atMs: number
  readonly durationMs: number
  readonly topic: number
}

/** A load with topics, each of which uses some of the experts, and what is known of it beforehand. */
export interface ScaleLoad {
  readonly requests: readonly TopicRequest[]
  /** Expert ids of each topic. */
  readonly topics: readonly Int32Array[]
  readonly calendar: EventCalendar
  readonly startMs: number
  readonly endMs: number
}

/** Draws which experts each topic uses: many share those that many topics use. */
export function drawTopics(random: () => number): readonly Int32Array[] {
  return Array.from({ length: NUM_TOPICS }, () => {
    const experts = new Set<number>()
    while (experts.size < EXPERTS_PER_TOPIC) experts.add(Math.floor(NUM_EXPERTS * random() ** 2))
    return Int32Array.from(experts).sort()
  })
}

/** Draws a topic by Zipf's law: the first is wanted most. */
export function drawTopic(random: () => number): number {
  const harmonic = Array.from({ length: NUM_TOPICS }, (_, i) => 1 / (i + 1)).reduce((sum, one) => sum + one, 0)
  let left = random() * harmonic
  for (let topic = 0; topic < NUM_TOPICS; topic++) if ((left -= 1 / (topic + 1)) < 0) return topic
  return NUM_TOPICS - 1
}

export function durationOf({ contextTokens, generatedTokens }: Omit<TracedRequest, "arrivalMs">): number {
  return (contextTokens / PREFILL_PER_SEC) * 1000 + generatedTokens * TPOT_MS
}

/** Gives the requests of a recorded trace topics, and stretches its time to a rate; nothing is known beforehand. */
export function loadOfTrace(trace: readonly TracedRequest[], perHour: number, seed: number): ScaleLoad {
  const random = createRandom(seed)
  const topics = drawTopics(random)
  const endMs = (trace.length / perHour) * 3_600_000
  const scale = endMs / Math.max(1, trace.at(-1)!.arrivalMs)
  const requests = trace.map((request) => ({
    atMs: request.arrivalMs * scale,
    durationMs: durationOf(request),
    topic: drawTopic(random),
  }))
  return {
    requests,
    topics,
    calendar: { timeZone: "UTC", events: [] },
    startMs: 0,
    endMs,
  }
}
