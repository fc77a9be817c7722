import type { EngineApi, ExpertReport, ResidencyReport } from "@consilium/serving"
import { Effect } from "effect"
import { Gauge, type Registry } from "prom-client"

/** Experts that have series of their own: the busiest, and those that failed; all others are one. */
const MOST_EXPERTS = 20

const FIGURES: readonly {
  readonly name: string
  readonly help: string
  readonly read: (residency: ResidencyReport) => number
}[] = [
  { name: "expert_budget_bytes", help: "Bytes that awake experts may hold", read: (of) => of.budgetBytes },
  { name: "expert_used_bytes", help: "Bytes that awake experts hold", read: (of) => of.usedBytes },
  { name: "experts_woken", help: "Experts read from disk since the engine's start", read: (of) => of.numWoken },
  {
    name: "expert_read_bytes",
    help: "Bytes read from disk to wake experts since the engine's start",
    read: (of) => of.readBytes,
  },
  { name: "expert_ahead_bytes", help: "Of these, bytes read before anybody needed them", read: (of) => of.aheadBytes },
  {
    name: "expert_wait_seconds",
    help: "Time that steps waited for reads since the engine's start",
    read: (of) => of.waitMs / 1000,
  },
  {
    name: "routing_drift_kl",
    help: "KL divergence of load-aware routing from the router's own, in nats",
    read: (of) => of.drift.kl,
  },
  {
    name: "routing_moved_ratio",
    help: "Share of assignments that load-aware routing sent elsewhere",
    read: (of) => of.drift.moved,
  },
  {
    name: "expert_imbalance",
    help: "Largest load of a layer's experts over their mean, of the worst layer",
    read: (of) => of.imbalance,
  },
  {
    name: "expert_plain_imbalance",
    help: "What it would be by the router's own choice: what load-aware routing gains",
    read: (of) => of.plainImbalance,
  },
  {
    name: "expert_domain_balance",
    help: "Mean load of a memory domain over the largest, of the worst layer; 1 where there is one domain",
    read: (of) => of.domainBalance,
  },
  {
    name: "experts_moved",
    help: "Experts that went to another memory domain, a GPU's included, since the engine's start",
    read: (of) => of.numMoved,
  },
  { name: "gpu_used_bytes", help: "Bytes that a GPU holds; 0 without one", read: (of) => of.gpu?.usedBytes ?? 0 },
  { name: "gpu_experts", help: "Experts that a GPU holds", read: (of) => of.gpu?.numExperts ?? 0 },
  {
    name: "gpu_in_use",
    help: "1 while a GPU computes; 0 while it is lost, or where there is none",
    read: (of) => (of.gpu?.state === "in-use" ? 1 : 0),
  },
  {
    name: "gpu_losses",
    help: "How often a GPU was lost, or failed a probe, since the engine's start",
    read: (of) => of.gpu?.numLosses ?? 0,
  },
]

/** Registers figures of the experts: read from the engine when they are asked for; while there is none they are 0, or have no series. */
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
  const time = gauge("expert_time_ratio", "Share of the time that goes into computing, averaged over a minute", [
    "layer",
    "expert",
  ])
  const failures = gauge("expert_failures", "Failures since the engine's start", ["layer", "expert"])
  const figures = FIGURES.map(({ name, help, read }) => ({ figure: gauge(name, help), read }))

  const showExperts = (experts: readonly ExpertReport[]): void => {
    for (const of of [states, load, time, failures]) of.reset()
    for (const { state } of experts) states.inc({ state })
    const ranked = experts.toSorted((a, b) => b.numFailures - a.numFailures || b.load - a.load)
    for (const [rank, { layer, expert, load: tokens, timeShare, numFailures }] of ranked.entries()) {
      const labels = rank < MOST_EXPERTS ? { layer, expert } : { layer: "rest", expert: "rest" }
      load.inc(labels, tokens)
      time.inc(labels, timeShare)
      failures.inc(labels, numFailures)
    }
  }

  const refresh = async (): Promise<void> => {
    const report = await Effect.runPromise(Effect.option(engine.control({ kind: "experts" })))
    if (report._tag === "Some" && report.value.kind === "experts") {
      const { experts, residency } = report.value
      showExperts(experts)
      for (const { figure, read } of figures) figure.set(read(residency))
    } else {
      showExperts([])
      for (const { figure } of figures) figure.set(0)
    }
  }
}
