import {
  createRouteScratch,
  createRouting,
  type RouteOptions,
  type RouterConfig,
  route,
  type Routing,
} from "../src/index.ts"

export const MIXTRAL = {
  kind: "top-k",
  topK: 2,
  score: "softmax",
  normalizesWeights: true,
} as const satisfies RouterConfig
export const PHIMOE = { kind: "sparsemixer", topK: 2, jitterEpsilon: 0.01 } as const satisfies RouterConfig
/** A row whose routings are worked out by hand for every published router. */
export const GOLDEN = [2, 1, 0.5, -0.5, 1.5, 0, -1, 0.25]
/** Routes rows of logits, with buffers of its own. */
export function routeLogits(logits: number[][], config: RouterConfig, options: RouteOptions = {}): Routing {
  const numExperts = logits[0]?.length ?? 1
  const routing = createRouting(logits.length, config.topK)
  return route(
    routing,
    Float32Array.from(logits.flat()),
    logits.length,
    config,
    createRouteScratch(numExperts),
    options,
  )
}
