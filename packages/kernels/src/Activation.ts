import { clampedSwiglu, silu } from "@consilium/tensor"

/** Of one value: the gate projection's, or the up projection's where there is no gate. */
export type PlainActivation = "silu" | "relu"

/** `clampedSwiglu` of both: it needs a gate projection. `limit` is above 0 and finite. */
interface ClampedSilu {
  readonly kind: "clamped-silu"
  readonly limit: number
}

export type Activation = PlainActivation | ClampedSilu

/** What an expert does between its projections: `act(gate · x) ⊙ (up · x)`, or `act(up · x)`. */
export type ExpertActivation =
  | { readonly hasGateProj: true; readonly activation: Activation }
  | { readonly hasGateProj: false; readonly activation: PlainActivation }

/** Pairs an activation with whether there is a gate projection. @throws Error where it needs one and there is none */
export function expertActivation(activation: Activation, hasGateProj: boolean): ExpertActivation {
  if (hasGateProj) return { hasGateProj, activation }
  if (typeof activation === "string") return { hasGateProj, activation }
  throw new Error(`${activation.kind}: expected a gate projection, found none`)
}

/** Returns the name of an activation, with its limit: unlike another's. */
export function activationName(activation: Activation): string {
  return typeof activation === "string" ? activation : `${activation.kind} ${activation.limit}`
}

/** Returns `(gate, up) → act(gate) · up` or what takes its place, or `(_, up) → act(up)`. */
export function activationFunction(of: ExpertActivation): (gate: number, up: number) => number {
  const { activation } = of
  if (typeof activation !== "string") return (gate, up) => clampedSwiglu(gate, up, activation.limit)
  const activate = activation === "silu" ? silu : relu
  return of.hasGateProj ? (gate, up) => activate(gate) * up : (_, up) => activate(up)
}

function relu(value: number): number {
  return Math.max(0, value)
}
