/**
 * The experts of a running engine: their store, what watches over it, and what an operator sees and asks of it.
 *
 * Plain and synchronous: the step calls it while it runs, the loop around the step between two of them.
 */
import type { TieredBackend } from "@consilium/gpu"
import { type Backend, createReferenceBackend } from "@consilium/kernels"
import { type ModelExperts, mostExpertsPerToken, type PreparedModel } from "@consilium/model"
import type { ControlCommand, ControlResult, Desired, ExpertChange, Quarantined, RoutingPolicy } from "../control.ts"
import type { Degradation } from "../protocol.ts"
import { createExpertDomains } from "./ExpertDomains.ts"
import { createExpertHealth, type ExpertHealth } from "./ExpertHealth.ts"
import { createExpertLoad } from "./ExpertLoad.ts"
import { ExpertFault } from "./ExpertFault.ts"
import { createExpertKeeper, type ExpertKeeper } from "./ExpertKeeper.ts"
import { createExpertProbe } from "./ExpertProbe.ts"
import { createExpertStore, type ExpertStore } from "./createExpertStore.ts"
import { createExpertVersions, type ExpertVersions } from "./ExpertVersions.ts"
import { createExpertControl } from "./createExpertControl.ts"
import { createFaults } from "./createFaults.ts"
import { describeExperts, type ExpertsReport } from "./describeExperts.ts"
import { createTender } from "./createTender.ts"
import { createLoadAwareRouting } from "./LoadAwareRouting.ts"
import { createNormWatch } from "./NormWatch.ts"
import { createReadAhead } from "./ReadAhead.ts"
import { createRebalancer } from "./Rebalancer.ts"
import { createTierBalancer } from "./TierBalancer.ts"

export interface EngineExpertsOptions {
  /** Faults may be injected. */
  readonly enablesFaults: boolean
  /** Experts that nobody used for so long fall asleep. */
  readonly idleMs: number
  /** Whether failover may change the text: route around an expert, or do without. */
  readonly allowsOtherText: boolean
  /** How tokens are routed; as the router says unless given. */
  readonly routing?: RoutingPolicy
  /** The backend again, where it is one over a device: experts go to its memory by their load. */
  readonly tiered?: TieredBackend
  /** Most rows of a step. */
  readonly maxRows: number
  /** Milliseconds since 1970. */
  readonly nowMs: () => number
  readonly onChange: (change: ExpertChange) => void
  /** Told of all who are quarantined, whenever one comes or goes. */
  readonly onQuarantine?: (quarantined: readonly Quarantined[]) => void
}

/** What a step that failed leads to. */
export type Climb = { readonly type: "again" } | { readonly type: "give-up"; readonly message: string }

export interface EngineExperts extends ModelExperts {
  readonly store: ExpertStore
  readonly health: ExpertHealth
  start: ExpertStore["start"]
  /** Decides what a failed step leads to, and prepares for the next try: the failover ladder. */
  climb(cause: unknown): Climb
  /** Called after a step that succeeded: returns the rungs that it stood on. */
  stepDone(): readonly Degradation[]
  /** Which versions requests run. */
  readonly versions: ExpertVersions
  /** Whom a plan keeps awake. */
  readonly keeper: ExpertKeeper
  /** Does what is due between steps: sleep, scrub, probe. Returns milliseconds until more is, where nothing happens before; Infinity = never. */
  tend(): number
  /** Whether weights were found changed in memory since the last call: what was computed with them is not to be trusted. */
  takeSpoiled(): boolean
  /** Brings about what an operator wanted of the engine before this one. */
  desire(desired: Desired): void
  /** Returns what an operator sees of the experts. */
  report(): ExpertsReport
  /** Carries out what an operator asks. @throws RangeError on what cannot be */
  control(command: ControlCommand): ControlResult | Promise<ControlResult>
  close(): void
}

const EXACT: RoutingPolicy = { mode: "exact" }

export function createEngineExperts(
  prepared: PreparedModel,
  backend: Backend,
  options: EngineExpertsOptions,
): EngineExperts {
  const { enablesFaults, idleMs, allowsOtherText, routing: policy = EXACT, maxRows, nowMs, onChange } = options
  const { mode } = policy
  const standIn = createReferenceBackend(backend.arena)
  const faults = createFaults()
  const emit = (change: Omit<ExpertChange, "atMs">): void => onChange({ ...change, atMs: nowMs() })
  let isIsolating = false
  const moeConfig = (layer: number) => {
    const { feedForward } = prepared.config.layers[layer]!
    if (feedForward.kind !== "moe") throw new Error(`layer ${layer} has no router`)
    return feedForward
  }

  const { tiered } = options
  const store = createExpertStore({
    prepared,
    backend: tiered === undefined ? backend : { ...tiered, openSlab: tiered.openAtHome },
    standIn,
    domainFor: (instance, other) => domains.choose(instance, other),
    watch: {
      assign: (layer, routing) => versions.assign(layer, routing),
      onBegin(layer, plan) {
        load.observe(layer, plan.offsets)
        // Who goes round sleepers does not wake them.
        if (mode !== "awake") readAhead.onBegin(layer, plan)
      },
      instanceFor: (layer, expertId, numTokens) => versions.instanceFor(layer, expertId, numTokens),
      mustSee: (layer) => faults.isPlanned || probe.wantsToSee(layer),
      onRun(layer, plan, norms) {
        load.observe(layer, plan.offsets)
        watchNorms.observe(layer, undefined, norms, plan.offsets)
      },
      isIsolating: () => isIsolating,
      onUse: (layer, instance) => faults.onUse(layer.layer, instance - layer.first),
      onTurn: () => load.beginTurn(),
      onOutputs(layer, ready, outputs, hidden, plan) {
        load.endTurn(layer, ready, plan.offsets)
        if (faults.onOutputs(layer.layer, ready, outputs, plan.offsets)) backend.wrote?.(outputs)
        probe.observe(layer, hidden)
        watchNorms.observe(layer, ready, outputs, plan.offsets)
        if (!isIsolating) return
        for (let e = 0; e < ready.length; e++) {
          if (ready[e] === undefined) continue
          const begin = plan.offsets[e]! * outputs.width
          const end = plan.offsets[e + 1]! * outputs.width
          if (!isFinite(outputs.values, begin, end))
            throw new ExpertFault("non-finite", layer.layer, e, "its output is not finite")
        }
      },
    },
  })
  const { table, residency } = store
  const watchNorms = createNormWatch(table, (instance) => health.isAccepted(instance))
  const load = createExpertLoad(table, nowMs)
  const readAhead = createReadAhead(store)
  const probe = createExpertProbe({ store, backend, standIn, hiddenSize: prepared.config.hiddenSize })
  const versions = createExpertVersions({
    table,
    residency,
    probe,
    preparedDir: prepared.dir,
    maxRows,
    topK: mostExpertsPerToken(prepared.config),
    mayEvict: store.mayEvict,
    onDrop(instance) {
      probe.forget(instance)
      watchNorms.forget(instance)
      health.forget(instance)
    },
    onChange: emit,
  })
  const loadAware = createLoadAwareRouting({
    policy,
    table,
    maxRows,
    nowMs,
    topK: mostExpertsPerToken(prepared.config),
    routerOf: (layer) => moeConfig(layer).router,
  })
  const health = createExpertHealth({
    table,
    residency,
    layerInfo(layer) {
      const { topK, sharedExpert } = moeConfig(layer)
      return { topK, hasSharedExpert: sharedExpert !== undefined }
    },
    standIn: standIn.name,
    allowsOtherText,
    nowMs,
    onChange: emit,
    versionOf: (instance) => versions.nameOf(instance),
    onQuarantine: options.onQuarantine ?? (() => {}),
  })
  const isSettled = (instance: number): boolean =>
    health.breaker(instance).state === "closed" && !versions.isDraining(instance)
  const tierBalancer =
    tiered &&
    createTierBalancer({
      table,
      load,
      isSettled,
      nowMs,
      counters: residency.counters,
      tier: tiered.tier,
      onChange: emit,
    })
  const homeShare = (instance: number): number =>
    tierBalancer?.isOnDevice(instance) === true ? 0 : load.timeShare(instance)
  const domains = createExpertDomains({ table, arena: backend.arena, load: { timeShare: homeShare }, isSettled })
  const rebalancer = createRebalancer({ table, residency, domains, arena: backend.arena, nowMs, onChange: emit })
  const keeper = createExpertKeeper({ store, load, health, activeOf: versions.activeOf, nowMs })
  const tender = createTender({ store, load, health, keeper, probe, idleMs, nowMs, onChange: emit })

  const report = (): ExpertsReport =>
    describeExperts({
      store,
      health,
      load,
      versions,
      domains,
      device: tiered && tierBalancer && { tier: tiered.tier, balancer: tierBalancer },
      replicasPerLayer: tender.numReplicas(),
      numKept: keeper.numKept,
      routing: mode,
      comparison: loadAware?.report(),
    })
  const control = createExpertControl({
    store,
    backend,
    probe,
    versions,
    keeper,
    tender,
    faults: enablesFaults ? faults : undefined,
    report,
    onChange: emit,
  })

  return {
    report,
    store,
    health,
    versions,
    keeper,
    source: store.source,
    options: (layer) => loadAware?.options(layer, health.options(layer)) ?? health.options(layer),
    ...(loadAware === undefined ? {} : { beginStep: loadAware.beginStep, observeRouting: loadAware.observe }),
    wantsForesight: (layer, numRows) => mode !== "awake" && readAhead.wantsForesight(layer, numRows),
    foresee: readAhead.foresee,
    start(...options) {
      store.start(...options)
      tierBalancer?.fill()
    },
    climb(cause) {
      if (cause instanceof ExpertFault) {
        isIsolating = false
        const rung = health.climb(cause)
        if (rung.rung !== "fail") return { type: "again" }
        return { type: "give-up", message: `${cause.message}; no rung of the failover ladder is left: ${rung.reason}` }
      }
      const message = cause instanceof Error ? cause.message : String(cause)
      if (isIsolating) {
        isIsolating = false
        return { type: "give-up", message: `a step failed twice: ${message}` }
      }
      isIsolating = true
      return { type: "again" }
    },
    stepDone() {
      tender.noteWork()
      watchNorms.nextStep()
      rebalancer.stepDone()
      tierBalancer?.stepDone()
      isIsolating = false
      const rungs = health.takeRungs()
      const detours = loadAware?.takeDetours()
      return detours === undefined || detours.length === 0 ? rungs : [...rungs, ...detours]
    },
    tend: tender.tend,
    takeSpoiled: tender.takeSpoiled,
    desire(desired) {
      try {
        versions.desire(desired)
      } catch (error) {
        // A version whose file is gone must not keep the others from serving.
        emit({ layer: 0, expert: 0, change: "fault", detail: `versions are left aside: ${(error as Error).message}` })
      }
      health.restore(desired.quarantined)
      if (desired.awakePerLayer !== null || desired.replicasPerLayer > 0) control.scale(desired)
    },
    control: control.run,
    close() {
      versions.close()
      probe.close()
      store.close()
      standIn.close()
    },
  }
}

function isFinite(values: Float32Array, begin: number, end: number): boolean {
  for (let i = begin; i < end; i++) if (!Number.isFinite(values[i]!)) return false
  return true
}
