import type { Rows, Slab } from "@consilium/kernels"
import { createOutputNorms, forgetOutputNorms, learnOutputNorm, noticeOutputNorm } from "@consilium/scheduling"
import { ExpertFault } from "./ExpertFault.ts"
import type { ExpertLayer, ExpertTable } from "./ExpertTable.ts"

/** Notices experts whose outputs are far from what they have been: one layer in each step, one row of each expert. */
export interface NormWatch {
  /**
   * @param outputs those of the layer's rows, or their norms
   * @throws ExpertFault on a norm far outside its history, unless it was confirmed in this step
   */
  observe(
    layer: ExpertLayer,
    ready: readonly (Slab | undefined)[] | undefined,
    outputs: Rows | Float32Array,
    offsets: Int32Array,
  ): void
  /** Called after each step that succeeded. */
  nextStep(): void
  /** Forgets an instance's history: its place gets another expert. */
  forget(instance: number): void
}

export function createNormWatch(
  { layers, numInstances }: ExpertTable,
  isAccepted: (instance: number) => boolean,
): NormWatch {
  const norms = createOutputNorms(1, numInstances)
  let numSteps = 0
  return {
    observe(layer, ready, outputs, offsets) {
      if (layers[numSteps % layers.length] !== layer) return
      for (let e = 0; e < layer.numInstances; e++) {
        if ((ready !== undefined && ready[e] === undefined) || offsets[e] === offsets[e + 1]) continue
        const norm = outputs instanceof Float32Array ? outputs[offsets[e]!]! : rowNorm(outputs, offsets[e]!)
        // What is not finite has a check of its own.
        if (!Number.isFinite(norm)) continue
        if (isAccepted(layer.first + e)) learnOutputNorm(norms, 0, layer.first + e, norm)
        else if (noticeOutputNorm(norms, 0, layer.first + e, norm))
          throw new ExpertFault(
            "norm",
            layer.layer,
            e,
            `the norm of its output is ${norm.toPrecision(3)}, far from what it was`,
          )
      }
    },
    nextStep: () => void numSteps++,
    forget: (instance) => forgetOutputNorms(norms, 0, instance),
  }
}

function rowNorm({ values, width }: Rows, row: number): number {
  let sum = 0
  for (let i = row * width, end = i + width; i < end; i++) sum += values[i]! * values[i]!
  return Math.sqrt(sum)
}
