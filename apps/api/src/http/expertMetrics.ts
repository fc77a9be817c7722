import type { EngineApi, ExpertReport, ResidencyReport } from "@consilium/serving"
import { Effect } from "effect"
import { Gauge, type Registry } from "prom-client"

/** Experts that have series of their own: the busiest, and those that failed; all others are one. */
const MOST_EXPERTS = 20

/** Registers figures of the experts: read from the engine when they are asked for, absent while there is none. */
export function registerExpertMetrics(registry: Registry, engine: EngineApi): void {
  const registers = [registry]
  /** The engine is asked once a scrape, whichever figure is read first. */
  let asking: Promise<void> | undefined
  const ask = (): Promise<void> => {
    asking ??= refresh().finally(() => {
      asking = undefined
    })
    return asking
  }
  const gauge = (name: string, help: string, labelNames: string[] = []): Gauge =>
    new Gauge({ name: `consilium_${name}`, help, labelNames, registers, collect: ask })
  const states = gauge("experts", "Experts by state", ["state"])
  const load = gauge("expert_tokens_per_second", "Assignments a second, averaged over a minute", ["layer", "expert"])
  const failures = gauge("expert_failures", "Failures since the engine's start", ["layer", "expert"])
  const budget = gauge("expert_budget_bytes", "Bytes that awake experts may hold")
  const used = gauge("expert_used_bytes", "Bytes that awake experts hold")
  const woken = gauge("experts_woken", "Experts read from disk since the engine's start")
  const read = gauge("expert_read_bytes", "Bytes read from disk to wake experts since the engine's start")
  const ahead = gauge("expert_ahead_bytes", "Of these, bytes read before anybody needed them")
  const waited = gauge("expert_wait_seconds", "Time that steps waited for reads since the engine's start")
  const drift = gauge("routing_drift_kl", "KL divergence of load-aware routing from the router's own, in nats")
  const moved = gauge("routing_moved_ratio", "Share of assignments that load-aware routing sent elsewhere")
  const imbalance = gauge("expert_imbalance", "Largest load of a layer's experts over their mean, of the worst layer")

  const showResidency = (residency: ResidencyReport): void => {
    budget.set(residency.budgetBytes)
    used.set(residency.usedBytes)
    woken.set(residency.numWoken)
    read.set(residency.readBytes)
    ahead.set(residency.aheadBytes)
    waited.set(residency.waitMs / 1000)
    imbalance.set(residency.imbalance)
    drift.set(residency.drift.kl)
    moved.set(residency.drift.moved)
  }

  const showExperts = (experts: readonly ExpertReport[]): void => {
    for (const of of [states, load, failures]) of.reset()
    for (const { state } of experts) states.inc({ state })
    const ranked = experts.toSorted((a, b) => b.numFailures - a.numFailures || b.load - a.load)
    for (const [rank, { layer, expert, load: tokens, numFailures }] of ranked.entries()) {
      const labels = rank < MOST_EXPERTS ? { layer, expert } : { layer: "rest", expert: "rest" }
      load.inc(labels, tokens)
      failures.inc(labels, numFailures)
    }
  }

  const refresh = async (): Promise<void> => {
    const report = await Effect.runPromise(Effect.option(engine.control({ kind: "experts" })))
    if (report._tag === "None" || report.value.kind !== "experts") return
    showExperts(report.value.experts)
    showResidency(report.value.residency)
  }
}
