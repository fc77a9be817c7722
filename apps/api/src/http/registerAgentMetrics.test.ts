import { expect, test } from "bun:test"
import type { AgentEvent, CallOutcome } from "@consilium/agent"
import { Registry } from "prom-client"
import { registerAgentMetrics } from "./registerAgentMetrics.ts"

const usage = { promptTokens: 1, generatedTokens: 1, costUsd: 0 }

function result(tool: string, outcome: CallOutcome): AgentEvent {
  return { type: "result", step: 1, callId: "c", tool, outcome, text: "", sources: [], ms: 1 }
}

test("registerAgentMetrics: counts runs, steps and calls by agent, tool and how they ended", async () => {
  const registry = new Registry()
  const note = registerAgentMetrics(registry)
  note("desk", { type: "started", runId: "r", agent: "desk", model: "m" })
  note("desk", { type: "step", step: 1, usage, expert: undefined, ms: 1 })
  note("desk", result("calculate", "done"))
  note("desk", { type: "ended", end: "answered", text: "", sources: [], usage, numSteps: 1, ms: 1500 })
  const lines = (await registry.metrics()).split("\n")
  for (const line of [
    'consilium_agent_runs_total{agent="desk",end="answered"} 1',
    'consilium_agent_steps_total{agent="desk"} 1',
    'consilium_agent_calls_total{agent="desk",tool="calculate",outcome="done"} 1',
    'consilium_agent_run_seconds_sum{agent="desk"} 1.5',
  ])
    expect(lines).toContain(line)
})

test("registerAgentMetrics: names that a model makes up are no series of their own", async () => {
  const registry = new Registry()
  const note = registerAgentMetrics(registry)
  for (let i = 0; i < 50; i++)
    for (const outcome of ["unknown-tool", "too-many"] as const) note("desk", result(`made-up-${i}`, outcome))
  const series = (await registry.metrics())
    .split("\n")
    .filter((line) => line.startsWith("consilium_agent_calls_total{"))
  expect(series).toHaveLength(2)
})
