import type { ExpertState, FleetApi, FleetReport } from "@consilium/fleet"
import { Effect } from "effect"
import { Counter, Gauge, Histogram, Registry } from "prom-client"
import type { AnswerTiming } from "./AnswerClock.ts"
import type { AgentMetrics } from "./AgentDeps.ts"
import { registerAgentMetrics } from "./registerAgentMetrics.ts"
import { registerProcessMetrics } from "./processMetrics.ts"
import { SECONDS } from "./ServiceMetrics.ts"

/** A fleet's figures in Prometheus' format. */
export interface FleetMetrics extends AgentMetrics {
  countRequest(route: string, status: number): void
  /** Takes in an attempt, whatever came of it. */
  observeAttempt(attempt: FleetReport["attempts"][number]): void
  observe(report: FleetReport, timing: AnswerTiming): void
  observeGap(gapMs: number): void
  text(): Promise<string>
}

/** As numbers, so that a graph shows them. */
const BREAKER_STATES = { closed: 0, "half-open": 1, open: 2 }

export function createFleetMetrics(fleet: FleetApi): FleetMetrics {
  const registry = new Registry()
  const registers = [registry]
  registerProcessMetrics(registry)
  const noteAgentEvent = registerAgentMetrics(registry)
  const counter = (name: string, help: string, labelNames: string[]) =>
    new Counter({ name: `consilium_${name}`, help, labelNames, registers })
  const histogram = (name: string, help: string) =>
    new Histogram({ name: `consilium_${name}`, help, buckets: SECONDS, registers })

  const requests = counter("http_requests_total", "HTTP requests by route and status", ["route", "status"])
  const attempts = counter("fleet_attempts_total", "Attempts at experts by how they ended", ["expert", "outcome"])
  const answers = counter("fleet_answers_total", "Answers by who gave them", ["expert"])
  const cost = counter("fleet_cost_usd_total", "What attempts cost, by the prices of the settings", ["expert"])
  const firstToken = histogram("time_to_first_token_seconds", "From a request's arrival to its first text")
  const gap = histogram("inter_token_latency_seconds", "Between two pieces of an answer's text, each a token as a rule")

  const gauge = (name: string, help: string, read: (state: ExpertState) => number): Gauge =>
    new Gauge({
      name: `consilium_fleet_${name}`,
      help,
      labelNames: ["expert"],
      registers,
      async collect() {
        for (const state of await Effect.runPromise(fleet.state)) this.set({ expert: state.name }, read(state))
      },
    })
  gauge("breaker_state", "0 closed, 1 probing, 2 cooling down", ({ breaker }) => BREAKER_STATES[breaker.state])
  gauge("num_answering", "Attempts under way", ({ numAnswering }) => numAnswering)
  gauge("latency_seconds", "Usual time to an expert's first text", ({ latencyMs }) => latencyMs / 1000)

  return {
    noteAgentEvent,
    countRequest: (route, status) => requests.inc({ route, status: String(status) }),
    observeGap: (gapMs) => gap.observe(gapMs / 1000),
    observeAttempt({ expert, outcome, costUsd }) {
      attempts.inc({ expert, outcome })
      cost.inc({ expert }, costUsd)
    },
    observe({ expert }, { ttftMs }) {
      answers.inc({ expert })
      firstToken.observe(ttftMs / 1000)
    },
    text: () => registry.metrics(),
  }
}
