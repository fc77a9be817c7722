import { describe, expect, test } from "bun:test"
import { BREAKER_POLICY } from "@consilium/scheduling"
import { ExpertFailure, type FailureKind } from "../ExpertFailure.ts"
import { createFleetHealth } from "./FleetHealth.ts"

const POLICY = { ...BREAKER_POLICY, maxFailures: 2, firstBackoffMs: 100, mostBackoffMs: 1000, jitter: 0 }
const FREE = { concurrency: Number.POSITIVE_INFINITY, requestsPerMinute: Number.POSITIVE_INFINITY, maxTokens: 1e9 }
const healthOf = (limits = FREE) => createFleetHealth([limits], POLICY, 0)
const failure = (kind: FailureKind = "server-error"): ExpertFailure => new ExpertFailure({ kind, message: "m" })
const fail = (health: ReturnType<typeof healthOf>, nowMs: number, kind?: FailureKind): void =>
  health.admit(0, nowMs).failed(failure(kind), nowMs)

describe("fleet health", () => {
  test("failures in a row open the breaker; a success between them does not let it come to that", () => {
    const health = healthOf()
    fail(health, 1)
    health.admit(0, 2).succeeded(5, 2)
    fail(health, 3)
    expect(health.hindrance(0, 3)).toBeUndefined()
    fail(health, 4)
    expect(health.hindrance(0, 5)).toEqual({ why: "cooling down", untilMs: 104 })
  })

  test("after the cool-down one request is the probe, and the others wait for its verdict", () => {
    const health = healthOf()
    fail(health, 0)
    fail(health, 0)
    expect(health.hindrance(0, 100)).toBeUndefined()
    const probe = health.admit(0, 100)
    expect(health.hindrance(0, 101)).toEqual({ why: "cooling down", untilMs: undefined })
    probe.succeeded(1, 102)
    expect(health.hindrance(0, 102)).toBeUndefined()
  })

  test("a probe that fails waits twice as long; one whose asker leaves never was", () => {
    const health = healthOf()
    fail(health, 0)
    fail(health, 0)
    health.admit(0, 100).abandoned()
    expect(health.hindrance(0, 100)).toBeUndefined()
    fail(health, 100)
    expect(health.hindrance(0, 101)).toEqual({ why: "cooling down", untilMs: 300 })
  })

  test("what began before the cool-down neither ends it nor spoils the probe", () => {
    const health = healthOf()
    const [slow, slower] = [health.admit(0, 0), health.admit(0, 0)]
    fail(health, 0)
    fail(health, 0)
    slow.succeeded(50, 50)
    expect(health.hindrance(0, 50)?.why).toBe("cooling down")
    const probe = health.admit(0, 100)
    slower.failed(failure(), 110)
    expect(health.report(0, 110).breaker.state).toBe("half-open")
    probe.succeeded(1, 120)
    expect(health.report(0, 120).breaker.state).toBe("closed")
  })

  test("a request that is refused, and one too many, say nothing about health", () => {
    const health = healthOf()
    for (let i = 0; i < 5; i++) fail(health, i, "bad-request")
    expect(health.report(0, 9)).toMatchObject({ numFailed: 5, breaker: { state: "closed", numFailures: 0 } })
    health.admit(0, 10).failed(new ExpertFailure({ kind: "rate-limited", message: "m", retryAfterMs: 500 }), 10)
    expect(health.hindrance(0, 11)).toEqual({ why: "paused", untilMs: 510 })
    expect(health.hindrance(0, 510)).toBeUndefined()
  })

  test("limits: answers at once, and requests of the last minute", () => {
    const one = healthOf({ ...FREE, concurrency: 1 })
    const attempt = one.admit(0, 0)
    expect(one.hindrance(0, 0)?.why).toBe("busy")
    attempt.succeeded(1, 1)
    attempt.succeeded(1, 1)
    expect(one.numAnswering(0)).toBe(0)
    const minute = healthOf({ ...FREE, requestsPerMinute: 2 })
    minute.admit(0, 0).succeeded(1, 1)
    minute.admit(0, 1000).succeeded(1, 1001)
    expect(minute.hindrance(0, 2000)).toEqual({ why: "busy", untilMs: 60_000 })
    expect(minute.hindrance(0, 60_000)).toBeUndefined()
  })

  test("latency is an average that forgets", () => {
    const health = healthOf()
    health.admit(0, 0).succeeded(100, 0)
    expect(health.latencyMs(0)).toBe(100)
    health.admit(0, 0).succeeded(200, 0)
    expect(health.latencyMs(0)).toBeCloseTo(120)
  })
})
