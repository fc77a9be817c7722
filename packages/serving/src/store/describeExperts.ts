import type { ControlResult, ExpertReport } from "../control.ts"
import type { ExpertStore } from "./createExpertStore.ts"
import type { ExpertHealth } from "./ExpertHealth.ts"
import type { ExpertLoad } from "./ExpertLoad.ts"
import { STATE } from "./ExpertTable.ts"

const STATE_NAMES = {
  [STATE.asleep]: "asleep",
  [STATE.waking]: "waking",
  [STATE.awake]: "awake",
} as const

/** Returns what an operator sees of all experts. */
export function describeExperts({
  store: { table, residency },
  health,
  load,
  replicasPerLayer,
}: {
  readonly store: ExpertStore
  readonly health: ExpertHealth
  readonly load: ExpertLoad
  readonly replicasPerLayer: number
}): ControlResult {
  const experts = table.layers.flatMap(({ layer, first, numExperts }): ExpertReport[] => {
    const tokens = load.numTokens.subarray(first, first + numExperts).reduce((sum, count) => sum + count, 0)
    return Array.from({ length: numExperts }, (_, expert): ExpertReport => {
      const instance = first + expert
      const breaker = health.breaker(instance)
      const failure = breaker.state === "closed" ? undefined : breaker
      return {
        layer,
        expert,
        state: failure === undefined ? STATE_NAMES[table.states[instance] as 0 | 1 | 2] : "failed",
        bytes: residency.heldBytes(instance),
        replicas: residency.hasReplica(instance) ? 1 : 0,
        version: "original",
        load: load.tokensPerSec(instance),
        shareOfTokens: tokens === 0 ? 0 : load.numTokens[instance]! / tokens,
        numFailures: breaker.numFailures,
        ...(failure === undefined
          ? {}
          : {
              failure: {
                sinceMs: failure.sinceMs,
                reason: failure.reason,
                nextProbeMs: failure.nextProbeMs,
              },
            }),
      }
    })
  })
  const { limits, counters, usedBytes } = residency
  const awakePerLayer = table.layers.every(({ numInstances }, l) => limits.targets[l] === numInstances)
    ? null
    : limits.targets[0]!
  return {
    kind: "experts",
    experts,
    residency: {
      replicasPerLayer,
      budgetBytes: limits.budgetBytes,
      usedBytes,
      numAwake: experts.filter(({ bytes }) => bytes > 0).length,
      numExperts: experts.length,
      awakePerLayer,
      ...counters,
      imbalance: table.layers.reduce((most, layer) => Math.max(most, load.imbalance(layer)), 1),
    },
  }
}
