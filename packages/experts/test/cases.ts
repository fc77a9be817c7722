import type { Activation } from "@consilium/kernels"

/** A layer and a batch for it. Every backend runs all of them. */
export interface MoeCase {
  readonly name: string
  readonly numTokens: number
  readonly hiddenSize: number
  readonly expertIntermediateSize: number
  readonly numExperts: number
  readonly topK: number
  readonly activation: Activation
  readonly hasGateProj: boolean
  readonly hasBias: boolean
  readonly sharedExpert: "none" | "plain" | "gated"
  /** Experts that the batch is sent to, by token and rank; the router's own choice where it is absent. */
  readonly expertIds?: (token: number, k: number) => number
}

const SWIGLU = {
  hiddenSize: 64,
  expertIntermediateSize: 96,
  numExperts: 6,
  topK: 2,
  activation: "silu",
  hasGateProj: true,
  hasBias: false,
  sharedExpert: "none",
} as const

/** Sums are about ±1 here: some lie beyond, on either side. */
const CLAMPED = { kind: "clamped-silu", limit: 0.7 } as const

/** The sizes and routings that break layers. */
export const CASES: readonly MoeCase[] = [
  { ...SWIGLU, name: "no token", numTokens: 0 },
  { ...SWIGLU, name: "one token", numTokens: 1 },
  { ...SWIGLU, name: "every expert chosen", numTokens: 5, topK: 6 },
  { ...SWIGLU, name: "one expert chosen", numTokens: 9, topK: 1 },
  { ...SWIGLU, name: "a layer of one expert", numTokens: 4, numExperts: 1, topK: 1 },
  { ...SWIGLU, name: "one hot expert", numTokens: 40, topK: 1, expertIds: () => 3 },
  { ...SWIGLU, name: "experts with no tokens", numTokens: 8, expertIds: (_, k) => [5, 0][k]! },
  { ...SWIGLU, name: "dropped assignments", numTokens: 7, expertIds: (t, k) => (t % 3 === 0 ? -1 : (t + k) % 6) },
  { ...SWIGLU, name: "every assignment dropped", numTokens: 3, expertIds: () => -1 },
  { ...SWIGLU, name: "odd sizes", numTokens: 13, hiddenSize: 37, expertIntermediateSize: 51, numExperts: 7, topK: 3 },
  { ...SWIGLU, name: "ReLU experts with biases", numTokens: 11, activation: "relu", hasGateProj: false, hasBias: true },
  { ...SWIGLU, name: "SwiGLU with biases, odd sizes", numTokens: 3, hiddenSize: 33, hasBias: true },
  { ...SWIGLU, name: "clamped SwiGLU with biases", numTokens: 9, activation: CLAMPED, hasBias: true },
  { ...SWIGLU, name: "clamped SwiGLU, odd sizes", numTokens: 40, hiddenSize: 37, topK: 3, activation: CLAMPED },
  { ...SWIGLU, name: "a shared expert", numTokens: 6, sharedExpert: "plain" },
  { ...SWIGLU, name: "a gated shared expert, no token", numTokens: 0, sharedExpert: "gated" },
  { ...SWIGLU, name: "a gated shared expert", numTokens: 17, hiddenSize: 40, sharedExpert: "gated" },
  {
    ...SWIGLU,
    name: "a gated shared expert, all else dropped",
    numTokens: 2,
    sharedExpert: "gated",
    expertIds: () => -1,
  },
]
