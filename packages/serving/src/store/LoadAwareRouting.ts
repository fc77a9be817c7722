import type { MoeOptions } from "@consilium/experts"
import { maskSleeping, type RouterConfig, type Routing } from "@consilium/gating"
import type { StepBatch } from "@consilium/model"
import type { RoutingPolicy } from "../control.ts"
import type { Degradation } from "../protocol.ts"
import { createBalance, type LoadBalance } from "./createBalance.ts"
import { type ExpertLayer, type ExpertTable, STATE } from "./ExpertTable.ts"
import { createPlainRouting, type PlainReport } from "./PlainRouting.ts"

/**
 * Routing that looks at the load, or at who is awake: it changes which experts are chosen, so it is off unless an operator asks for it, and what it costs is measured
 * beside what it gains.
 */
export interface LoadAwareRouting {
  /** Is told of a batch before its layers run. */
  beginStep(batch: StepBatch): void
  /** Returns what a layer's route is told, given what health has to say. */
  options(layer: number, health: MoeOptions): MoeOptions
  /** Is shown how a layer was routed, and by which logits `[T, E]`. */
  observe(layer: number, routing: Routing, logits: Float32Array): void
  /** Returns the tokens' ways round sleeping experts since the last call, each once. */
  takeDetours(): readonly Degradation[]
  /** Returns how it compares with the router's own routing. */
  report(): PlainReport
}

interface LoadAwareOptions {
  readonly policy: RoutingPolicy
  readonly table: ExpertTable
  readonly routerOf: (layer: number) => RouterConfig
  readonly maxRows: number
  /** Experts that a token visits in a layer, at most. */
  readonly topK: number
  readonly nowMs: () => number
}

/** Creates the routing of a policy; undefined for the router's own, `exact`. */
export function createLoadAwareRouting(options: LoadAwareOptions): LoadAwareRouting | undefined {
  const { policy, table, routerOf, maxRows } = options
  if (policy.mode === "exact") return undefined
  const plain = createPlainRouting(options)
  const topKOf = (layer: number): number => routerOf(layer).topK
  const balance = policy.mode === "balanced" ? createBalance({ table, balance: policy, maxRows, topKOf }) : undefined
  const detour = policy.mode === "awake" ? createDetour(table, topKOf) : undefined
  const layers = new Map(table.layers.map((layer) => [layer.layer, layer]))
  const healths = new Map<number, MoeOptions>()

  return {
    beginStep: (batch) => balance?.beginStep(batch),
    options(layer, health) {
      healths.set(layer, health)
      return (balance ?? detour)!.options(layers.get(layer)!, health)
    },
    observe(layer, routing, logits) {
      const of = layers.get(layer)!
      const wanted = plain.compare(of, routing, logits, healths.get(layer)!)
      balance?.observe(of, routing)
      detour?.observe(of, wanted)
    },
    takeDetours: () => detour?.take() ?? NO_DETOURS,
    report: plain.report,
  }
}

const NO_DETOURS: readonly Degradation[] = []

/** Routing round experts that sleep. */
interface Detour extends Pick<LoadBalance, "options"> {
  /** Is shown where a layer's tokens would have gone. */
  observe(layer: ExpertLayer, wanted: Routing): void
  take(): readonly Degradation[]
}

function createDetour(table: ExpertTable, topKOf: (layer: number) => number): Detour {
  const mostExperts = table.layers.reduce((most, { numExperts }) => Math.max(most, numExperts), 1)
  const states = table.layers.map(({ numExperts }) => ({
    awake: new Uint8Array(numExperts),
    all: new Uint8Array(numExperts).fill(1),
    availability: new Uint8Array(numExperts),
    isRound: false,
  }))
  const taken = new Map<number, Degradation>()
  const stateOf = ({ first }: ExpertLayer) => states[table.layerOf[first]!]!
  return {
    options(layer, health) {
      const state = stateOf(layer)
      const { awake, all, availability } = state
      const { first, numExperts } = layer
      for (let e = 0; e < numExperts; e++) awake[e] = table.states[first + e] === STATE.awake ? 1 : 0
      state.isRound = maskSleeping(availability, health.availability ?? all, awake, topKOf(layer.layer))
      return state.isRound ? { ...health, availability } : health
    },
    observe(layer, { numTokens, topK, expertIds }) {
      const { awake, isRound } = stateOf(layer)
      if (!isRound) return
      for (let a = 0; a < numTokens * topK; a++) {
        const expertId = expertIds[a]!
        if (expertId < 0 || awake[expertId] === 1) continue
        taken.set(layer.layer * mostExperts + expertId, { layer: layer.layer, expertId, rung: "asleep" })
      }
    },
    take() {
      if (taken.size === 0) return NO_DETOURS
      const all = [...taken.values()]
      taken.clear()
      return all
    },
  }
}
