import { Counter, Histogram, type Registry } from "prom-client"
import type { AgentMetrics } from "./AgentDeps.ts"

const RUN_SECONDS = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300]

/** Adds the figures of agents to a service's; returns what takes in their events. */
export function registerAgentMetrics(registry: Registry): AgentMetrics["noteAgentEvent"] {
  const registers = [registry]
  const counter = (name: string, help: string, labelNames: string[]) =>
    new Counter({ name: `consilium_agent_${name}`, help, labelNames, registers })
  const runs = counter("runs_total", "Runs of agents by how they ended", ["agent", "end"])
  const steps = counter("steps_total", "Answers of models in runs", ["agent"])
  const calls = counter("calls_total", "Calls of tools by what came of them", ["agent", "tool", "outcome"])
  const seconds = new Histogram({
    name: "consilium_agent_run_seconds",
    help: "From a run's beginning to its end",
    labelNames: ["agent"],
    buckets: RUN_SECONDS,
    registers,
  })
  return (agent, event) => {
    if (event.type === "step") steps.inc({ agent })
    if (event.type === "result") {
      const { outcome } = event
      // A name that a model made up would be a series of its own; of calls beyond the most, nobody looked whether theirs is one.
      const isUnknown = outcome === "unknown-tool" || outcome === "too-many"
      const tool = isUnknown ? "unknown" : event.tool
      calls.inc({ agent, tool, outcome })
    }
    if (event.type === "ended") {
      runs.inc({ agent, end: event.end })
      seconds.observe({ agent }, event.ms / 1000)
    }
  }
}
