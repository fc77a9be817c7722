import type { RoutingTrace } from "../protocol.ts"
import type { StepModel } from "./StepModel.ts"

/** Copies how a run of rows was routed in each MoE layer, appended to what came before it. */
export function traceRows(
  model: Pick<StepModel, "config" | "routing" | "expertBytes">,
  {
    firstRow,
    numRows,
    firstPosition,
  }: { readonly firstRow: number; readonly numRows: number; readonly firstPosition: number },
  before: RoutingTrace | undefined,
): RoutingTrace {
  const layers = model.config.layers.flatMap((_, layer) => {
    const routing = model.routing(layer)
    if (routing === undefined) return []
    const { topK, expertIds, weights } = routing
    const rowsOf = (values: Int32Array | Float32Array): number[][] =>
      Array.from({ length: numRows }, (_row, r) =>
        Array.from(values.subarray((firstRow + r) * topK, (firstRow + r + 1) * topK)),
      )
    const earlier = before?.layers.find((other) => other.layer === layer)
    return [
      {
        layer,
        expertIds: [...(earlier?.expertIds ?? []), ...rowsOf(expertIds)],
        weights: [...(earlier?.weights ?? []), ...rowsOf(weights)],
        expertBytes: model.expertBytes(layer),
      },
    ]
  })
  return { firstPosition: before?.firstPosition ?? firstPosition, layers }
}
