import { topK as selectTopK } from "@consilium/tensor"
import type { RouterConfig, TopKRouterConfig } from "./RouterConfig.ts"
import type { RouteOptions, RouteScratch } from "./RouteScratch.ts"
import type { Routing } from "./Routing.ts"
import { routeSparsemixer } from "./routeSparsemixer.ts"

/**
 * Chooses each token's experts and their weights, best first, ties to the lower id.
 *
 * Where fewer than K experts are available or have room, the rest of the token's assignments are dropped: id -1, weight 0.
 *
 * @param logits `[T, E]`
 * @throws Error on a row with NaN or +Infinity, naming it: a fault upstream
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
  out.numTokens = numTokens
  counts.fill(0)
  for (let t = 0; t < numTokens; t++) {
    checkRow(logits, t, numExperts)
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
  const { numExperts, scores, choice } = scratch
  scoreExperts(scratch, logits, t * numExperts, config, options)
  excludeExperts(scratch, options)
  if (config.groups !== undefined) keepBestGroups(scratch, config.groups)

  const first = t * out.topK
  const numChosen = selectTopK(out.expertIds, first, choice, numExperts, out.topK)
  const { normEpsilon = 0, scale = 1 } = config
  let sum = normEpsilon
  for (let k = 0; k < numChosen; k++) sum += scores[out.expertIds[first + k]!]!
  const factor = config.normalizesWeights && sum > 0 ? scale / sum : scale
  for (let k = 0; k < out.topK; k++) {
    out.weights[first + k] = k < numChosen ? scores[out.expertIds[first + k]!]! * factor : 0
  }
}

/** Writes `scores`, and `choice` = what they are chosen by, bias included. Unavailable experts take no part in a softmax. */
function scoreExperts(
  { numExperts, scores, choice }: RouteScratch,
  logits: Float32Array,
  row: number,
  { score, temperature = 1, choosesByLogits = false }: TopKRouterConfig,
  { selectionBias, availability }: RouteOptions,
): void {
  if (score === "sigmoid") for (let e = 0; e < numExperts; e++) scores[e] = 1 / (1 + Math.exp(-logits[row + e]! / temperature))
  else {
    let largest = Number.NEGATIVE_INFINITY
    for (let e = 0; e < numExperts; e++) if (availability?.[e] !== 0) largest = Math.max(largest, logits[row + e]!)
    let sum = 0
    for (let e = 0; e < numExperts; e++) {
      scores[e] = availability?.[e] === 0 ? 0 : Math.exp((logits[row + e]! - largest) / temperature)
      sum += scores[e]!
    }
    for (let e = 0; e < numExperts; e++) scores[e]! /= sum
  }
  // Without a bias a softmax orders as its logits do, and these keep apart what an exponential would round together.
  const byLogits = choosesByLogits || (score === "softmax" && selectionBias === undefined)
  for (let e = 0; e < numExperts; e++) choice[e] = (byLogits ? logits[row + e]! : scores[e]!) + (selectionBias?.[e] ?? 0)
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

/** Takes out the experts of all but the best groups. A group that is out is -Infinity, not 0: a negative bias would let 0 win. */
function keepBestGroups(scratch: RouteScratch, { numGroups, numKept, score }: NonNullable<TopKRouterConfig["groups"]>): void {
  const { numExperts, choice, groupScores, groupIds } = scratch
  const size = numExperts / numGroups
  for (let group = 0; group < numGroups; group++) {
    let best = Number.NEGATIVE_INFINITY
    let second = Number.NEGATIVE_INFINITY
    for (let e = group * size; e < (group + 1) * size; e++) {
      if (choice[e]! > best) [best, second] = [choice[e]!, best]
      else second = Math.max(second, choice[e]!)
    }
    groupScores[group] = score === "best" || second === Number.NEGATIVE_INFINITY ? best : best + second
  }
  const numChosen = selectTopK(groupIds, 0, groupScores, numGroups, numKept)
  for (let group = 0; group < numGroups; group++) {
    if (groupIds.indexOf(group) >= 0 && groupIds.indexOf(group) < numChosen) continue
    choice.fill(Number.NEGATIVE_INFINITY, group * size, (group + 1) * size)
  }
}

function checkRow(logits: Float32Array, t: number, numExperts: number): void {
  for (let e = 0; e < numExperts; e++) {
    const logit = logits[t * numExperts + e]!
    if (!(logit < Number.POSITIVE_INFINITY)) throw new Error(`route: token ${t}, expert ${e}: expected a finite logit, found ${logit}`)
  }
}
