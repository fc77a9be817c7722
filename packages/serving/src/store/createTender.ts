import type { ExpertChange } from "../control.ts"
import type { ExpertStore } from "./createExpertStore.ts"
import type { ExpertHealth } from "./ExpertHealth.ts"
import type { ExpertLoad } from "./ExpertLoad.ts"
import type { ExpertProbe } from "./ExpertProbe.ts"
import { STATE } from "./ExpertTable.ts"

/** Does for experts what is due between steps: sleep, scrub, replicas, probes. */
export interface Tender {
  /** Does what is due; returns milliseconds until more is. */
  tend(): number
  /** Tells that a step ran: there is work, and time to verify what it works with. */
  noteStep(): void
  /** Whether weights were found changed in memory since the last call. */
  takeSpoiled(): boolean
  /** Sets how many of each layer's busiest experts have a second copy. */
  setReplicas(perLayer: number): void
  numReplicas(): number
}

interface TenderOptions {
  readonly store: ExpertStore
  readonly load: ExpertLoad
  readonly health: ExpertHealth
  readonly probe: ExpertProbe
  /** Experts that nobody used for so long fall asleep. */
  readonly idleMs: number
  readonly nowMs: () => number
  readonly onChange: (change: Omit<ExpertChange, "atMs">) => void
}

/** How often there may be something to do. */
const TEND_MS = 250
/** What verifying slabs may take each time, while there is work. */
const SCRUB_MS = 1

export function createTender({ store, load, health, probe, idleMs, nowMs, onChange }: TenderOptions): Tender {
  const { table, residency } = store
  let scrubbed = 0
  let isSpoiled = false
  /** Steps ran since the last scrub. */
  let isBusy = false
  let replicasPerLayer = 0

  const putIdleToSleep = (): void => {
    if (idleMs === Number.POSITIVE_INFINITY) return
    let numAsleep = 0
    for (let instance = 0; instance < table.numInstances; instance++) {
      if (table.states[instance] !== STATE.awake || nowMs() - load.usedMs[instance]! < idleMs) continue
      residency.sleep(instance)
      numAsleep++
    }
    if (numAsleep > 0) {
      residency.trim()
      onChange({ layer: 0, expert: 0, change: "slept", detail: `${numAsleep} experts that nobody used` })
    }
  }

  /** Verifies awake slabs, one after the other: at least one, and as many as `SCRUB_MS` is enough for while there is work. */
  const scrub = (): void => {
    const startMs = performance.now()
    const mostMs = isBusy ? SCRUB_MS : 0
    isBusy = false
    for (let tried = 0; tried < table.numInstances; tried++) {
      scrubbed = (scrubbed + 1) % table.numInstances
      const isIntact = residency.isIntact(scrubbed)
      if (isIntact === undefined) continue
      if (isIntact) probe.record(scrubbed)
      else {
        isSpoiled = true
        health.note(scrubbed, "its bytes in memory have changed: it is read again")
        residency.forget(scrubbed)
      }
      if (performance.now() - startMs >= mostMs) return
    }
  }

  const probeOne = (): void => {
    const instance = health.nextProbe()
    if (instance === undefined) return
    const { isWell, reason } = probe.run(instance)
    health.settle(instance, isWell, reason)
  }

  /** Gives each layer's busiest experts a second copy, one at a time; who is no longer among them loses it. */
  const replicate = (): void => {
    for (const { first, numExperts } of table.layers) {
      const busiest = Array.from({ length: numExperts }, (_, e) => first + e)
        .toSorted((a, b) => load.tokensPerSec(b) - load.tokensPerSec(a) || a - b)
        .map((instance, rank) => ({ instance, isHot: rank < replicasPerLayer }))
      for (const { instance, isHot } of busiest) if (!isHot) residency.dropReplica(instance)
      const missing = busiest.find(({ instance, isHot }) => isHot && !residency.hasReplica(instance))
      if (missing !== undefined && residency.isIntact(missing.instance) === true) residency.replicate(missing.instance)
    }
  }

  return {
    tend() {
      putIdleToSleep()
      scrub()
      if (replicasPerLayer > 0) replicate()
      probeOne()
      return TEND_MS
    },
    noteStep() {
      isBusy = true
    },
    takeSpoiled() {
      const wasSpoiled = isSpoiled
      isSpoiled = false
      return wasSpoiled
    },
    setReplicas: (perLayer) => void (replicasPerLayer = perLayer),
    numReplicas: () => replicasPerLayer,
  }
}
