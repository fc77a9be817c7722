import type { Routing } from "@consilium/gating"
import { type Activation, activationFunction, expertActivation } from "@consilium/kernels"
import { matmul } from "@consilium/tensor"

/** An expert's weights in plain f32, row-major `[out, in]`. */
export interface PlainExpert {
  /** `[I, H]`; without it the expert is `down · act(up · x)`. */
  readonly gateProj?: Float32Array
  readonly upProj: Float32Array
  readonly downProj: Float32Array
  readonly gateBias?: Float32Array
  readonly upBias?: Float32Array
  readonly downBias?: Float32Array
}

/**
 * The layer as a plain loop over tokens and their experts: no grouping, no slabs, no backend. What everything faster must match.
 *
 * @param out `[T, H]`, without the residual
 */
export function moeLayerPlain(
  out: Float32Array,
  hidden: Float32Array,
  routing: Routing,
  experts: readonly PlainExpert[],
  { hiddenSize, activation }: { readonly hiddenSize: number; readonly activation: Activation },
): void {
  const { numTokens, topK, expertIds, weights } = routing
  out.fill(0, 0, numTokens * hiddenSize)
  for (let t = 0; t < numTokens; t++) {
    const x = hidden.subarray(t * hiddenSize, (t + 1) * hiddenSize)
    for (let k = 0; k < topK; k++) {
      const id = expertIds[t * topK + k]!
      if (id < 0) continue
      const y = runExpertPlain(x, experts[id]!, activation)
      for (let i = 0; i < hiddenSize; i++) out[t * hiddenSize + i]! += weights[t * topK + k]! * y[i]!
    }
  }
}

/** Returns one expert's output `[H]` for one token `[H]`. */
function runExpertPlain(x: Float32Array, expert: PlainExpert, activation: Activation): Float32Array {
  const project = (input: Float32Array, weight: Float32Array, bias: Float32Array | undefined): Float32Array => {
    const output = new Float32Array(weight.length / input.length)
    matmul(output, input, weight, 1, output.length, input.length)
    return bias === undefined ? output : output.map((value, i) => value + bias[i]!)
  }
  const { gateProj } = expert
  const activate = activationFunction(expertActivation(activation, gateProj !== undefined))
  const up = project(x, expert.upProj, expert.upBias)
  const gate = gateProj === undefined ? up : project(x, gateProj, expert.gateBias)
  const inner = up.map((value, i) => activate(gate[i]!, value))
  return project(inner, expert.downProj, expert.downBias)
}
