import { QWEN3_EXPERT_BYTES } from "../qwen3Expert.ts"
import { NUM_EXPERTS, type TopicRequest } from "./ScaleLoad.ts"

/** An expert of each of 48 layers of Qwen3-30B-A3B's shape in 4 bits: layers behave alike, so that one stands for all. */
export const EXPERT_GIB = (48 * QWEN3_EXPERT_BYTES) / 2 ** 30
/** Reading it from disk at 1.2 GB/s. */
export const WAKE_MS = 100

/** What a run cost: who waited for experts to wake, how long, and the memory that awake ones held. */
export interface ResidencyCost {
  readonly numWaits: number
  readonly waitSec: number
  readonly gibHours: number
}

const HOUR_MS = 3_600_000

/**
 * Which experts are awake while requests come, in order of time. One is awake from the start of its reading; it falls asleep `idleMs` after its last
 * use, or when a plan does not keep it and nobody uses it.
 */
export class Residency {
  /** Where it is awake. */
  readonly #sinceMs = new Float64Array(NUM_EXPERTS).fill(Number.NaN)
  readonly #readyMs = new Float64Array(NUM_EXPERTS)
  /** When its last use ends. */
  readonly #neededMs = new Float64Array(NUM_EXPERTS)
  #numWaits = 0
  #waitMs = 0
  #awakeMs = 0
  readonly #idleMs: number

  constructor(idleMs: number) {
    this.#idleMs = idleMs
  }

  /** Wakes those that a plan keeps, one after another, and lets the others sleep that nobody uses. */
  keep(experts: readonly number[], nowMs: number): void {
    let numAsleep = 0
    const isKept = new Uint8Array(NUM_EXPERTS)
    for (const e of experts) {
      isKept[e] = 1
      if (Number.isNaN(this.#sinceMs[e]!)) this.#wake(e, nowMs, nowMs + ++numAsleep * WAKE_MS)
    }
    for (let e = 0; e < NUM_EXPERTS; e++) if (isKept[e] === 0 && this.#neededMs[e]! <= nowMs) this.#sleep(e, nowMs)
  }

  /** A request that needs some experts: those that sleep are read one after another, and it waits. */
  use({ atMs, durationMs }: TopicRequest, experts: Int32Array): void {
    let waitMs = 0
    let numAsleep = 0
    for (const e of experts) {
      this.#settle(e, atMs)
      if (Number.isNaN(this.#sinceMs[e]!)) this.#wake(e, atMs, atMs + ++numAsleep * WAKE_MS)
      waitMs = Math.max(waitMs, this.#readyMs[e]! - atMs)
    }
    if (waitMs > 0) {
      this.#numWaits++
      this.#waitMs += waitMs
    }
    for (const e of experts) this.#neededMs[e] = Math.max(this.#neededMs[e]!, atMs + waitMs + durationMs)
  }

  /** Returns who is awake, or being read, `[E]`. */
  awake(): Uint8Array {
    return Uint8Array.from(this.#sinceMs, (ms) => (Number.isNaN(ms) ? 0 : 1))
  }

  /** Returns what it cost up to a time. */
  cost(nowMs: number): ResidencyCost {
    let awakeMs = 0
    for (let e = 0; e < NUM_EXPERTS; e++) {
      this.#settle(e, nowMs)
      if (!Number.isNaN(this.#sinceMs[e]!)) awakeMs += nowMs - this.#sinceMs[e]!
    }
    return {
      numWaits: this.#numWaits,
      waitSec: this.#waitMs / 1000,
      gibHours: ((this.#awakeMs + awakeMs) / HOUR_MS) * EXPERT_GIB,
    }
  }

  #wake(e: number, nowMs: number, readyMs: number): void {
    this.#sinceMs[e] = nowMs
    this.#readyMs[e] = readyMs
    this.#neededMs[e] = readyMs
  }

  /** Has it fallen asleep where its time has come. */
  #settle(e: number, nowMs: number): void {
    const sleepMs = this.#neededMs[e]! + this.#idleMs
    if (sleepMs <= nowMs) this.#sleep(e, sleepMs)
  }

  #sleep(e: number, nowMs: number): void {
    if (Number.isNaN(this.#sinceMs[e]!)) return
    this.#awakeMs += nowMs - this.#sinceMs[e]!
    this.#sinceMs[e] = Number.NaN
  }
}

/** Returns the cost of one who knows the future: every expert is awake just in time, and sleeps where that is shorter than waking it again. */
export function oracleCost(requests: readonly TopicRequest[], topics: readonly Int32Array[]): ResidencyCost {
  const sinceMs = new Float64Array(NUM_EXPERTS).fill(Number.NaN)
  const untilMs = new Float64Array(NUM_EXPERTS)
  let awakeMs = 0
  for (const { atMs, durationMs, topic } of requests) {
    for (const e of topics[topic]!) {
      if (atMs - untilMs[e]! > WAKE_MS || Number.isNaN(sinceMs[e]!)) {
        if (!Number.isNaN(sinceMs[e]!)) awakeMs += untilMs[e]! - sinceMs[e]!
        sinceMs[e] = atMs - WAKE_MS
      }
      untilMs[e] = Math.max(untilMs[e]!, atMs + durationMs)
    }
  }
  for (let e = 0; e < NUM_EXPERTS; e++) if (!Number.isNaN(sinceMs[e]!)) awakeMs += untilMs[e]! - sinceMs[e]!
  return { numWaits: 0, waitSec: 0, gibHours: (awakeMs / HOUR_MS) * EXPERT_GIB }
}
