import { topK as selectTopK } from "@consilium/tensor"
import { keepBestGroups } from "./keepBestGroups.ts"
import type { RouterConfig, TopKRouterConfig } from "./RouterConfig.ts"
import type { RouteOptions, RouteScratch } from "./RouteScratch.ts"
import type { Routing } from "./Routing.ts"
import { routeSparsemixer } from "./routeSparsemixer.ts"

/**
 * Chooses each token's experts and their weights, best first, ties to the lower id.
 *
 * Where fewer than K experts are available or have room, the rest of the token's assignments are dropped: id -1, weight 0. Logits of
 * unavailable experts are never read. Allocates nothing.
 *
 * @param logits `[T, E]`
 * @throws Error on a row with NaN or +Infinity, naming token and expert: a fault upstream; on buffers or options of another size
 */
export function route(
  out: Routing,
  logits: Float32Array,
  numTokens: number,
  config: RouterConfig,
  scratch: RouteScratch,
  options: RouteOptions = {},
): Routing {
  const { numExperts, counts } = scratch
  checkShapes(out, logits, numTokens, config, numExperts)
  checkPerExpert("availability", options.availability, numExperts)
  checkPerExpert("selectionBias", options.selectionBias, numExperts)
  out.numTokens = numTokens
  counts.fill(0)
  for (let t = 0; t < numTokens; t++) {
    checkRow(logits, t, numExperts, options.availability)
    if (config.kind === "sparsemixer") routeSparsemixer(out, t, logits, config, scratch, options)
    else routeToken(out, t, logits, config, scratch, options)
    const first = t * out.topK
    for (let k = 0; k < out.topK; k++) {
      const id = out.expertIds[first + k]!
      if (id >= 0) counts[id]!++
    }
  }
  return out
}

function routeToken(
  out: Routing,
  t: number,
  logits: Float32Array,
  config: TopKRouterConfig,
  scratch: RouteScratch,
  options: RouteOptions,
): void {
  const row = t * scratch.numExperts
  chooseBy(scratch, logits, row, config, options)
  excludeExperts(scratch, options)
  if (config.groups !== undefined) keepBestGroups(scratch, config.groups, config.topK)
  const first = t * out.topK
  const numChosen = selectTopK(out.expertIds, first, scratch.choice, scratch.numExperts, out.topK)
  weighChosen(out, first, numChosen, logits, row, config, scratch, options.availability)
}

/** Writes the weights of the chosen: their scores, normalised and scaled as the router does. */
function weighChosen(
  out: Routing,
  first: number,
  numChosen: number,
  logits: Float32Array,
  row: number,
  config: TopKRouterConfig,
  scratch: RouteScratch,
  availability: Uint8Array | undefined,
): void {
  const { expertIds, weights, topK } = out
  const { score, normalizesWeights, normEpsilon = 0, scale = 1, temperature = 1 } = config
  const { scores } = scratch
  if (score === "softmax" && normalizesWeights && normEpsilon === 0) {
    // Softmax over all, normalised, is the softmax over the chosen; this way nothing underflows, however far from the best they are.
    let largest = Number.NEGATIVE_INFINITY
    for (let k = 0; k < numChosen; k++) largest = Math.max(largest, logits[row + expertIds[first + k]!]!)
    for (let k = 0; k < numChosen; k++) {
      scores[expertIds[first + k]!] = Math.exp((logits[row + expertIds[first + k]!]! - largest) / temperature)
    }
  } else scoreExperts(scratch, logits, row, score, temperature, availability)

  let sum = normEpsilon
  for (let k = 0; k < numChosen; k++) sum += scores[expertIds[first + k]!]!
  const factor = normalizesWeights && sum > 0 ? scale / sum : scale
  for (let k = 0; k < topK; k++) weights[first + k] = k < numChosen ? scores[expertIds[first + k]!]! * factor : 0
}

/** Writes `choice` = what experts are chosen by: as trained (temperature 1), selection bias included. */
function chooseBy(
  scratch: RouteScratch,
  logits: Float32Array,
  row: number,
  { score, choosesByLogits = false, groups }: TopKRouterConfig,
  { selectionBias, availability }: RouteOptions,
): void {
  const { numExperts, scores, choice } = scratch
  // A softmax orders as its logits do, and these keep apart what an exponential would round together; sums of two they do not order.
  const isOrderOnly = score === "softmax" && selectionBias === undefined && groups?.score !== "two-best"
  const byLogits = choosesByLogits || isOrderOnly
  if (!byLogits) scoreExperts(scratch, logits, row, score, 1, availability)
  for (let e = 0; e < numExperts; e++) {
    choice[e] = (byLogits ? logits[row + e]! : scores[e]!) + (selectionBias?.[e] ?? 0)
  }
}

/** Writes `scores` = softmax or sigmoid of the logits over `temperature`. Unavailable experts take no part in a softmax. */
function scoreExperts(
  { numExperts, scores }: RouteScratch,
  logits: Float32Array,
  row: number,
  score: TopKRouterConfig["score"],
  temperature: number,
  availability: Uint8Array | undefined,
): void {
  if (score === "sigmoid") {
    for (let e = 0; e < numExperts; e++) scores[e] = 1 / (1 + Math.exp(-logits[row + e]! / temperature))
    return
  }
  let largest = Number.NEGATIVE_INFINITY
  for (let e = 0; e < numExperts; e++) {
    if (availability?.[e] !== 0 && logits[row + e]! > largest) largest = logits[row + e]!
  }
  let sum = 0
  for (let e = 0; e < numExperts; e++) {
    scores[e] = availability?.[e] === 0 ? 0 : Math.exp((logits[row + e]! - largest) / temperature)
    sum += scores[e]!
  }
  for (let e = 0; e < numExperts; e++) scores[e]! /= sum
}

/** Takes out experts that are unavailable or full. */
function excludeExperts(
  { numExperts, choice, counts }: RouteScratch,
  { availability, capacity = Number.POSITIVE_INFINITY }: RouteOptions,
): void {
  for (let e = 0; e < numExperts; e++) {
    if (availability?.[e] === 0 || counts[e]! >= capacity) choice[e] = Number.NEGATIVE_INFINITY
  }
}

function checkShapes(
  out: Routing,
  logits: Float32Array,
  numTokens: number,
  config: RouterConfig,
  numExperts: number,
): void {
  if (out.topK !== config.topK) throw new Error(`route: expected a routing of topK ${config.topK}, found ${out.topK}`)
  if (out.expertIds.length < numTokens * out.topK || logits.length < numTokens * numExperts) {
    throw new Error(
      `route: expected room for ${numTokens} tokens of topK ${out.topK} and ${numExperts} experts, ` +
        `found ${out.expertIds.length} expert ids and ${logits.length} logits`,
    )
  }
}

function checkPerExpert(name: string, values: ArrayLike<number> | undefined, numExperts: number): void {
  if (values === undefined || values.length === numExperts) return
  throw new Error(`route: expected ${numExperts} values of ${name}, one for each expert, found ${values.length}`)
}

function checkRow(logits: Float32Array, t: number, numExperts: number, availability: Uint8Array | undefined): void {
  for (let e = 0; e < numExperts; e++) {
    const logit = logits[t * numExperts + e]!
    if (logit < Number.POSITIVE_INFINITY || availability?.[e] === 0) continue
    throw new Error(`route: token ${t}, expert ${e}: expected a finite logit, found ${logit}: the layer before gave it`)
  }
}
