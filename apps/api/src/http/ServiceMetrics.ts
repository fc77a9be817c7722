import type { CompletionEvent, EngineApi, EngineStatus } from "@consilium/serving"
import { Effect } from "effect"
import { Counter, Gauge, Histogram, Registry } from "prom-client"
import type { AnswerTiming } from "./AnswerClock.ts"
import { registerExpertMetrics } from "./expertMetrics.ts"
import type { AgentMetrics } from "./AgentDeps.ts"
import { registerAgentMetrics } from "./registerAgentMetrics.ts"
import { registerProcessMetrics } from "./processMetrics.ts"

/** The service's figures in Prometheus' format; names end as those of other engines do, after `consilium_`. */
export interface ServiceMetrics extends AgentMetrics {
  countRequest(route: string, status: number): void
  /** Takes in the end of one answer. */
  observe(finish: Extract<CompletionEvent, { type: "finish" }>, timing: AnswerTiming): void
  /** Takes in how long a stream's text came after the text before it. */
  observeGap(gapMs: number): void
  text(): Promise<string>
}

export const SECONDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120]

export function createServiceMetrics(engine: EngineApi): ServiceMetrics {
  const registry = new Registry()
  const registers = [registry]
  registerProcessMetrics(registry)
  const noteAgentEvent = registerAgentMetrics(registry)
  const counter = (name: string, help: string, labelNames: string[] = []) =>
    new Counter({ name: `consilium_${name}`, help, labelNames, registers })
  const histogram = (name: string, help: string) =>
    new Histogram({ name: `consilium_${name}`, help, buckets: SECONDS, registers })

  const requests = counter("http_requests_total", "HTTP requests by route and status", ["route", "status"])
  const successes = counter("request_success_total", "Answers by how they ended", ["finished_reason"])
  const promptTokens = counter("prompt_tokens_total", "Tokens of prompts")
  const generatedTokens = counter("generation_tokens_total", "Tokens of answers")
  const prefixQueries = counter("prefix_cache_queries_total", "Prompt tokens looked up for reuse")
  const prefixHits = counter("prefix_cache_hits_total", "Prompt tokens that were reused")
  const degraded = counter("degraded_total", "Rungs of the failover ladder used by answers", ["rung"])
  const firstToken = histogram("time_to_first_token_seconds", "From a request's arrival to its first text")
  const gap = histogram("inter_token_latency_seconds", "Between two pieces of an answer's text, each a token as a rule")
  const perToken = histogram(
    "request_time_per_output_token_seconds",
    "Mean time per token of an answer after its first",
  )
  const whole = histogram("e2e_request_latency_seconds", "From arrival in the engine to the last token")
  const queue = histogram("request_queue_time_seconds", "Waiting for a slot")
  const prefill = histogram("request_prefill_time_seconds", "From slot to first token")
  const decode = histogram("request_decode_time_seconds", "From first token to last")

  const gauge = (name: string, help: string, read: (status: EngineStatus) => number): Gauge =>
    new Gauge({
      name: `consilium_${name}`,
      help,
      registers,
      async collect() {
        const state = await Effect.runPromise(engine.state)
        this.set(state.phase === "ready" ? read(state.status) : 0)
      },
    })
  gauge("num_requests_running", "Answers being computed", ({ numRunning }) => numRunning)
  gauge("num_requests_waiting", "Requests waiting for a slot", ({ numWaiting }) => numWaiting)
  gauge("engine_resident_bytes", "Resident memory of the engine process", ({ residentBytes }) => residentBytes)
  gauge("engine_weight_bytes", "Bytes that the weights hold", ({ weightBytes }) => weightBytes)
  gauge("engine_steps", "Steps of the present engine process", ({ steps }) => steps)

  registerExpertMetrics(registry, engine)

  return {
    noteAgentEvent,
    countRequest: (route, code) => requests.inc({ route, status: String(code) }),
    observeGap: (gapMs) => gap.observe(gapMs / 1000),
    observe({ reason, usage, degraded: rungs }, { ttftMs, tpotMs }) {
      successes.inc({ finished_reason: reason })
      promptTokens.inc(usage.promptTokens)
      generatedTokens.inc(usage.generatedTokens)
      prefixQueries.inc(usage.promptTokens)
      prefixHits.inc(usage.cachedTokens)
      for (const { rung } of rungs) degraded.inc({ rung })
      const { queueMs, prefillMs, decodeMs } = usage
      queue.observe(queueMs / 1000)
      prefill.observe(prefillMs / 1000)
      decode.observe(decodeMs / 1000)
      firstToken.observe(ttftMs / 1000)
      whole.observe((queueMs + prefillMs + decodeMs) / 1000)
      if (usage.generatedTokens > 1) perToken.observe(tpotMs / 1000)
    },
    text: () => registry.metrics(),
  }
}
