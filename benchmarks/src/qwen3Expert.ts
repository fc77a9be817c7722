import { planExpertSlab } from "@consilium/kernels"

/** An expert of Qwen3-30B-A3B's size in 4 bits, which is what generated traces and the weeks of `bench scale` are thought to be of. */
export const QWEN3_EXPERT_BYTES = planExpertSlab({
  format: "int4",
  hiddenSize: 2048,
  intermediateSize: 768,
  activation: "silu",
  hasGateProj: true,
  hasBias: false,
}).bytes
