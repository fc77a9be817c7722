import { Counter, Gauge, type Registry } from "prom-client"

/**
 * Registers figures of this process, read when they are asked for.
 *
 * Not prom-client's own default metrics: their event loop monitor wakes an idle service a hundred times a second.
 */
export function registerProcessMetrics(registry: Registry): void {
  let cpuSeconds = 0
  const cpu = new Counter({
    name: "consilium_process_cpu_seconds_total",
    help: "CPU time of the HTTP process, user and system",
    registers: [],
    collect() {
      const { user, system } = process.cpuUsage()
      const now = (user + system) / 1e6
      this.inc(Math.max(0, now - cpuSeconds))
      cpuSeconds = now
    },
  })
  const started = new Gauge({
    name: "consilium_process_start_time_seconds",
    help: "When the HTTP process began, in seconds since 1970",
    registers: [],
  })
  started.set(Math.round(performance.timeOrigin / 1000))
  const resident = new Gauge({
    name: "consilium_process_resident_memory_bytes",
    help: "Resident memory of the HTTP process",
    registers: [],
    collect() {
      this.set(process.memoryUsage.rss())
    },
  })
  for (const metric of [cpu, started, resident]) registry.registerMetric(metric)
}
