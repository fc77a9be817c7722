import type { Format } from "@consilium/kernels"

/** How attention, embedding, head and shared experts are packed beside 4-bit experts. */
export const DENSE_FORMATS = ["int8", "int4"] as const
export type DenseFormat = (typeof DENSE_FORMATS)[number]

/** How a model's weights are packed; norms, biases and routers stay f32. */
export interface ModelFormats {
  /** Of the experts that are routed to, or of a dense model's feed-forward networks. */
  readonly format: Format
  /** Of all other matrices: the same, but 8 bits beside 4-bit experts unless 4 are asked for. */
  readonly denseFormat: Format
}

/** Returns the formats of a model. @param dense says something with `int4` only */
export function modelFormats(format: Format, dense: DenseFormat = "int8"): ModelFormats {
  return { format, denseFormat: format === "int4" ? dense : format }
}

/** Names formats, for file names: `int4`, and `int4-dense-int4` where everything is in 4 bits. */
export function formatsName({ format, denseFormat }: ModelFormats): string {
  return format === "int4" && denseFormat === "int4" ? "int4-dense-int4" : format
}
