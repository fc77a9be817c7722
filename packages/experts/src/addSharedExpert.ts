import { sigmoid } from "@consilium/tensor"
import type { Backend, Rows } from "@consilium/kernels"
import type { MoeScratch, SharedExpert } from "./MoeWeights.ts"

/**
 * Adds the shared expert's output to `out`, weighted by sigmoid(gate · hidden) where it has a gate.
 *
 * @see DeepSeekMoE, arXiv:2401.06066 §3.2; the gate is Qwen2-MoE's
 */
export function addSharedExpert(
  out: Rows,
  hidden: Rows,
  numTokens: number,
  { slab, gate }: SharedExpert,
  backend: Backend,
  { shared, sharedWeights }: MoeScratch,
): void {
  backend.expert(shared, hidden, 0, numTokens, slab)
  if (gate === undefined) return backend.addScaled(out, shared, numTokens)
  backend.read?.(hidden, numTokens)
  backend.sync?.()
  const { width, values } = hidden
  for (let t = 0; t < numTokens; t++) {
    let sum = 0
    for (let i = 0; i < width; i++) sum += gate[i]! * values[t * width + i]!
    sharedWeights[t] = sigmoid(sum)
  }
  backend.addScaled(out, shared, numTokens, sharedWeights)
}
