import type { ModelShape } from "../generate/parseShape.ts"
import type { MoeShape } from "../MoeProblem.ts"

/** The sizes of a model's layer, as far as kernels differ by them. */
export interface GpuSizes extends MoeShape {
  readonly numHeads: number
  readonly numKvHeads: number
  readonly headDim: number
}

/** Returns the sizes of a generated model's layers. */
export function sizesOf({ config }: ModelShape): GpuSizes {
  const read = (field: string): number => Number(config[field])
  const [hiddenSize, numHeads] = [read("hidden_size"), read("num_attention_heads")]
  return {
    hiddenSize,
    expertIntermediateSize: read("moe_intermediate_size" in config ? "moe_intermediate_size" : "intermediate_size"),
    numExperts: read("num_experts"),
    topK: read("num_experts_per_tok"),
    numHeads,
    numKvHeads: read("num_key_value_heads"),
    headDim: "head_dim" in config ? read("head_dim") : hiddenSize / numHeads,
  }
}

/** Parses `--rows`: whole numbers, rising; undefined where it is absent. @throws Error on anything else */
export function parseRows(text: string | undefined): readonly number[] | undefined {
  if (text === undefined) return undefined
  const rows = text.split(",").map(Number)
  const isRising = rows.every((numRows, i) => Number.isInteger(numRows) && numRows > (rows[i - 1] ?? 0))
  if (!isRising) throw new Error(`--rows ${text}: expected whole numbers above 0, rising, as in 1,8,512`)
  return rows
}
