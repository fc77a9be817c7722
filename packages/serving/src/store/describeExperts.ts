import type { DeviceTier } from "@consilium/gpu"
import type { ControlResult, ExpertReport, ResidencyReport, RoutingMode } from "../control.ts"
import type { ExpertStore } from "./createExpertStore.ts"
import type { ExpertDomains } from "./ExpertDomains.ts"
import type { ExpertHealth } from "./ExpertHealth.ts"
import type { ExpertLoad } from "./ExpertLoad.ts"
import type { PlainReport } from "./PlainRouting.ts"
import type { ExpertVersions } from "./ExpertVersions.ts"
import { STATE } from "./ExpertTable.ts"
import type { TierBalancer } from "./TierBalancer.ts"

export type ExpertsReport = Extract<ControlResult, { readonly kind: "experts" }>

const STATE_NAMES = {
  [STATE.asleep]: "asleep",
  [STATE.waking]: "waking",
  [STATE.awake]: "awake",
} as const

/** A device that experts lie on, and who puts them there. */
interface ExpertDevice {
  readonly tier: DeviceTier
  readonly balancer: TierBalancer
}

/** Returns what an operator sees of all experts. */
export function describeExperts({
  store: { table, residency },
  health,
  load,
  versions,
  domains,
  device,
  replicasPerLayer,
  numKept,
  routing,
  comparison,
}: {
  readonly store: ExpertStore
  readonly health: ExpertHealth
  readonly load: ExpertLoad
  readonly versions: ExpertVersions
  readonly domains: ExpertDomains
  /** Undefined without a GPU. */
  readonly device: ExpertDevice | undefined
  readonly replicasPerLayer: number
  readonly numKept: number
  readonly routing: RoutingMode
  /** Of load-aware routing with the router's own. */
  readonly comparison: PlainReport | undefined
}): ExpertsReport {
  const experts = table.layers.flatMap(({ layer, first, numInstances }): ExpertReport[] => {
    const tokens = load.numTokens.subarray(first, first + numInstances).reduce((sum, count) => sum + count, 0)
    const places = Array.from({ length: numInstances }, (_, place) => first + place)
    return places
      .filter((instance) => table.files[instance] !== undefined)
      .map((instance): ExpertReport => {
        const breaker = health.breaker(instance)
        const failure = breaker.state === "closed" ? undefined : breaker
        const state = versions.isDraining(instance) ? "draining" : STATE_NAMES[table.states[instance] as 0 | 1 | 2]
        return {
          layer,
          expert: table.expertIds[instance]!,
          state: failure === undefined ? state : "failed",
          bytes: residency.heldBytes(instance),
          replicas: residency.hasReplica(instance) ? 1 : 0,
          domains: [...(device?.balancer.isOnDevice(instance) === true ? GPU : []), ...residency.domainsOf(instance)],
          version: versions.nameOf(instance),
          load: load.tokensPerSec(instance),
          timeShare: load.timeShare(instance),
          usedMs: load.usedMs[instance]!,
          shareOfTokens: tokens === 0 ? 0 : load.numTokens[instance]! / tokens,
          numFailures: breaker.numFailures,
          ...(failure === undefined
            ? {}
            : {
                failure: {
                  sinceMs: failure.sinceMs,
                  reason: failure.why ?? "",
                  nextProbeMs: failure.nextProbeMs ?? null,
                },
              }),
        }
      })
  })
  const { limits, counters, usedBytes } = residency
  const awakePerLayer = table.layers.every(({ numInstances }, l) => limits.targets[l] === numInstances)
    ? null
    : limits.targets[0]!
  const imbalance = load.worstImbalance()
  return {
    kind: "experts",
    experts,
    versions: versions.report(),
    residency: {
      routing,
      drift: comparison?.drift ?? { kl: 0, moved: 0 },
      replicasPerLayer,
      numKept,
      budgetBytes: limits.budgetBytes,
      usedBytes,
      numAwake: experts.filter(({ bytes }) => bytes > 0).length,
      numExperts: experts.length,
      awakePerLayer,
      ...counters,
      numDomains: domains.numDomains,
      domainBalance: domains.balance(),
      gpu: device === undefined ? null : describeDevice(device),
      imbalance,
      plainImbalance: comparison?.imbalance ?? imbalance,
    },
  }
}

/** As reports name a GPU's memory beside the arena's domains. */
const GPU = ["gpu"] as const

function describeDevice({ tier, balancer }: ExpertDevice): NonNullable<ResidencyReport["gpu"]> {
  const { adapter, state, breaker, budgetBytes, usedBytes } = tier
  return {
    adapter: adapter.name,
    isSoftware: adapter.isSoftware,
    state,
    budgetBytes: Number.isFinite(budgetBytes) ? Math.floor(budgetBytes) : null,
    usedBytes,
    numExperts: balancer.numOnDevice(),
    numLosses: breaker.numFailures,
    ...(state === "away" && { reason: breaker.why ?? "", nextProbeMs: breaker.nextProbeMs ?? null }),
  }
}
