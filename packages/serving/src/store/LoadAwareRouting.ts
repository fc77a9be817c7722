import type { MoeOptions } from "@consilium/experts"
import {
  balanceBias,
  createRouteScratch,
  createRouting,
  maskSleeping,
  route,
  type RouterConfig,
  type Routing,
  routingDrift,
} from "@consilium/gating"
import type { RoutingMode } from "../control.ts"
import type { Degradation } from "../protocol.ts"
import { type ExpertLayer, type ExpertTable, STATE } from "./ExpertTable.ts"

/**
 * Routing that looks at the load, or at who is awake: it changes which experts are chosen, so it is off unless an operator asks for it, and what it costs is measured
 * beside what it gains.
 */
export interface LoadAwareRouting {
  /** Returns what a layer's route is told, given what health has to say. */
  options(layer: number, health: MoeOptions): MoeOptions
  /** Is shown how a layer was routed, and by which logits `[T, E]`. */
  observe(layer: number, routing: Routing, logits: Float32Array): void
  /** Returns the tokens' ways round sleeping experts since the last call, each once. */
  takeDetours(): readonly Degradation[]
  /** Averages over what was looked at: how far weights are from the router's own, and the share of assignments that went elsewhere. */
  readonly drift: { readonly kl: number; readonly moved: number }
}

/** DeepSeek-V3's rate, and a bound on what balance may cost. */
const BIAS = { rate: 0.001, most: 0.1 }
/** Biased routing is compared with the router's own in one of so many layers and steps. */
const SAMPLED = 16
/** What the newest comparison counts. */
const WEIGHT = 0.05

interface LayerState {
  readonly layer: ExpertLayer
  readonly router: RouterConfig
  readonly bias: Float32Array
  readonly tokens: Float64Array
  readonly awake: Uint8Array
  readonly all: Uint8Array
  readonly availability: Uint8Array
}

interface LoadAwareOptions {
  readonly mode: RoutingMode
  readonly table: ExpertTable
  readonly routerOf: (layer: number) => RouterConfig
  readonly maxRows: number
  /** Experts that a token visits in a layer, at most. */
  readonly topK: number
}

const NO_DETOURS: readonly Degradation[] = []

/** Creates the routing of a mode; undefined for the router's own, `exact`. */
export function createLoadAwareRouting({
  mode,
  table,
  routerOf,
  maxRows,
  topK,
}: LoadAwareOptions): LoadAwareRouting | undefined {
  if (mode === "exact") return undefined
  const states = new Map(
    table.layers.map((layer): [number, LayerState] => {
      const { numExperts } = layer
      return [
        layer.layer,
        {
          layer,
          router: routerOf(layer.layer),
          bias: new Float32Array(numExperts),
          tokens: new Float64Array(numExperts),
          awake: new Uint8Array(numExperts),
          all: new Uint8Array(numExperts).fill(1),
          availability: new Uint8Array(numExperts),
        },
      ]
    }),
  )
  const mostExperts = table.layers.reduce((most, { numExperts }) => Math.max(most, numExperts), 1)
  const plain = createRouting(maxRows, topK)
  const scratches = new Map([...states].map(([layer, { all }]) => [layer, createRouteScratch(all.length)]))
  const detours = new Map<number, Degradation>()
  let drift = { kl: 0, moved: 0 }
  let numSeen = 0

  const compare = (state: LayerState, routing: Routing, logits: Float32Array): void => {
    const { layer, router, all } = state
    route(plain, logits, routing.numTokens, router, scratches.get(layer.layer)!)
    if (router.kind === "top-k") {
      const { kl, moved } = routingDrift(plain, routing, logits, all.length, router.score)
      drift = { kl: drift.kl + WEIGHT * (kl - drift.kl), moved: drift.moved + WEIGHT * (moved - drift.moved) }
    }
    if (mode !== "awake") return
    for (let a = 0; a < routing.numTokens * router.topK; a++) {
      const expertId = plain.expertIds[a]!
      if (expertId < 0 || state.awake[expertId] === 1) continue
      detours.set(layer.layer * mostExperts + expertId, { layer: layer.layer, expertId, rung: "asleep" })
    }
  }

  return {
    get drift() {
      return drift
    },
    options(layer, health) {
      const state = states.get(layer)!
      if (mode === "balanced") return { ...health, selectionBias: state.bias }
      const { first, numExperts } = state.layer
      for (let e = 0; e < numExperts; e++) state.awake[e] = table.states[first + e] === STATE.awake ? 1 : 0
      const isRound = maskSleeping(state.availability, health.availability ?? state.all, state.awake, state.router.topK)
      return isRound ? { ...health, availability: state.availability } : health
    },
    observe(layer, routing, logits) {
      const state = states.get(layer)!
      if (mode === "awake" || numSeen++ % SAMPLED === 0) compare(state, routing, logits)
      if (mode !== "balanced") return
      state.tokens.fill(0)
      for (let a = 0; a < routing.numTokens * routing.topK; a++) {
        const expertId = routing.expertIds[a]!
        if (expertId >= 0) state.tokens[expertId]!++
      }
      balanceBias(state.bias, state.tokens, BIAS)
    },
    takeDetours() {
      if (detours.size === 0) return NO_DETOURS
      const all = [...detours.values()]
      detours.clear()
      return all
    },
  }
}
