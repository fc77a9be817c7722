import type { PreparedModel } from "@consilium/model"
import type { ExpertTrace } from "@consilium/scheduling"
import { generateTrace } from "../generateTrace.ts"
import { GENERATED } from "../tracesOf.ts"
import type { PagedStart } from "./PagedRun.ts"

/** Returns the routing that the online measurement decodes by: one sequence, in the usual style. @throws Error on a model with layers that have no experts */
export function pagedTrace({ config, layers }: PreparedModel, { numSteps, lookahead, seed }: PagedStart): ExpertTrace {
  const first = config.layers[0]!.feedForward
  if (first.kind !== "moe") throw new Error("expected a model whose layers all have experts")
  const { numExperts, topK } = first
  return generateTrace({ ...GENERATED, lookahead, numLayers: layers.length, numExperts, topK, numSteps }, seed)
}
