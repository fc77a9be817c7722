import type { ExpertChange } from "../control.ts"
import type { ExpertStore } from "./createExpertStore.ts"
import type { ExpertHealth } from "./ExpertHealth.ts"
import type { ExpertKeeper } from "./ExpertKeeper.ts"
import type { ExpertLoad } from "./ExpertLoad.ts"
import type { ExpertProbe } from "./ExpertProbe.ts"
import { STATE } from "./ExpertTable.ts"

/** Does for experts what is due between steps: sleep, scrub, replicas, probes. */
export interface Tender {
  /** Does what is due; returns milliseconds until more is, where nothing happens before: 0 = as soon as may be, Infinity = never. */
  tend(): number
  /** Tells that a step or a command ran: from here on all that is awake is to be verified once more. */
  noteWork(): void
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
  readonly keeper: ExpertKeeper
  readonly probe: ExpertProbe
  /** Experts that nobody used for so long fall asleep. */
  readonly idleMs: number
  readonly nowMs: () => number
  readonly onChange: (change: Omit<ExpertChange, "atMs">) => void
}

/** What verifying slabs may take each time. */
const SCRUB_MS = 1
/** Who woke and who fell asleep is told together: one by one they may be hundreds a second. */
const TELL_MS = 1000

export function createTender({ store, load, health, keeper, probe, idleMs, nowMs, onChange }: TenderOptions): Tender {
  const { table, residency } = store
  /** Who was never used counts from here. */
  const bornMs = nowMs()
  let scrubbed = 0
  /** Instances that were not verified since the last work. */
  let numUnverified = table.numInstances
  let isSpoiled = false
  let replicasPerLayer = 0
  let hadCopies = false
  const told = { atMs: bornMs - TELL_MS, numWoken: 0, numSlept: 0 }

  /** Returns milliseconds until the next falls asleep, unless it is used before. */
  const putIdleToSleep = (): number => {
    let restMs = Number.POSITIVE_INFINITY
    if (idleMs === restMs) return restMs
    let numAsleep = 0
    for (let instance = 0; instance < table.numInstances; instance++) {
      if (table.states[instance] !== STATE.awake || keeper.copies(instance) > 0) continue
      const leftMs = Math.max(load.usedMs[instance]!, bornMs) + idleMs - nowMs()
      if (leftMs > 0) {
        restMs = Math.min(restMs, leftMs)
        continue
      }
      residency.sleep(instance)
      numAsleep++
    }
    if (numAsleep > 0) {
      residency.trim()
      told.numSlept += numAsleep
      onChange({ layer: 0, expert: 0, change: "slept", detail: `${numAsleep} experts that nobody used` })
    }
    return restMs
  }

  /** Tells of those that woke and fell asleep since it last did; returns milliseconds until it may do so again, where there is something to tell. */
  const tellResidency = (): number => {
    const { numWoken, numSlept } = residency.counters
    const woken = numWoken - told.numWoken
    const asleep = numSlept - told.numSlept
    if (woken === 0 && asleep === 0) return Number.POSITIVE_INFINITY
    const leftMs = told.atMs + TELL_MS - nowMs()
    if (leftMs > 0) return leftMs
    Object.assign(told, { atMs: nowMs(), numWoken, numSlept })
    if (woken > 0) onChange({ layer: 0, expert: 0, change: "woken", detail: `${woken} experts` })
    if (asleep > 0) onChange({ layer: 0, expert: 0, change: "slept", detail: `${asleep} experts` })
    return Number.POSITIVE_INFINITY
  }

  /** Verifies awake slabs, one after the other: at least one, and as many as `SCRUB_MS` is enough for. */
  const scrub = (): void => {
    const startMs = performance.now()
    for (; numUnverified > 0; numUnverified--) {
      scrubbed = (scrubbed + 1) % table.numInstances
      const isIntact = residency.isIntact(scrubbed)
      if (isIntact === undefined) continue
      if (isIntact) probe.record(scrubbed)
      else {
        isSpoiled = true
        health.note(scrubbed, "its bytes in memory have changed: it is read again")
        residency.forget(scrubbed)
      }
      if (performance.now() - startMs >= SCRUB_MS) return void numUnverified--
    }
  }

  const probeOne = (): void => {
    const instance = health.nextProbe()
    if (instance === undefined) return
    const { isWell, reason } = probe.run(instance)
    health.settle(instance, isWell, reason)
  }

  /**
   * Gives each layer's busiest experts, and those that the plan wants twice, a second copy, one at a time; who is no longer among them loses it.
   * Returns whether it made one.
   */
  const replicate = (): boolean => {
    let hasCopied = false
    for (const { first, numExperts } of table.layers) {
      const experts = Array.from({ length: numExperts }, (_, e) => first + e)
      const loads = replicasPerLayer === 0 ? [] : experts.map(load.tokensPerSec)
      const busiest = experts
        .toSorted((a, b) => (loads[b - first] ?? 0) - (loads[a - first] ?? 0))
        .map((instance, rank) => ({ instance, isHot: rank < replicasPerLayer || keeper.copies(instance) > 1 }))
      for (const { instance, isHot } of busiest) if (!isHot) residency.dropReplica(instance)
      const missing = busiest.find(
        ({ instance, isHot }) => isHot && table.states[instance] === STATE.awake && !residency.hasReplica(instance),
      )
      if (missing !== undefined && residency.isIntact(missing.instance) === true)
        hasCopied = residency.replicate(missing.instance) || hasCopied
    }
    return hasCopied
  }

  return {
    tend() {
      const sleepMs = putIdleToSleep()
      scrub()
      const wantsCopies = replicasPerLayer > 0 || keeper.wantsTwice
      // Once more when the last wish is gone: to give back.
      const hasCopied = (wantsCopies || hadCopies) && replicate()
      hadCopies = wantsCopies
      probeOne()
      const tellMs = tellResidency()
      return numUnverified > 0 || hasCopied ? 0 : Math.min(sleepMs, tellMs, health.msToProbe())
    },
    noteWork() {
      numUnverified = table.numInstances
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
