import { topK as selectTopK } from "@consilium/tensor"
import { keepBestGroups } from "./keepBestGroups.ts"
import type { RouterConfig, TopKRouterConfig } from "./RouterConfig.ts"
import type { RouteOptions, RouteScratch } from "./RouteScratch.ts"
import type { Routing } from "./Routing.ts"
import { routeSparsemixer } from "./routeSparsemixer.ts"
import { selectLogits } from "./selectLogits.ts"

const NO_OPTIONS: RouteOptions = {}
/** How far below a token's chosen logits the next one's are looked for at first, in parts of their range: lower costs comparisons, higher a second look. */
const FLOOR_MARGIN = 0.4

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
  options: RouteOptions = NO_OPTIONS,
): Routing {
  const { numExperts } = scratch
  checkShapes(out, logits, numTokens, config, numExperts)
  checkNoise(options.routerNoise, numTokens * numExperts)
  checkPerExpert("availability", options.availability, numExperts)
  checkPerExpert("selectionBias", options.selectionBias, numExperts)
  out.numTokens = numTokens
  if (config.kind === "top-k" && choosesByLogitsAlone(config, options)) {
    routeByLogits(out, logits, numTokens, config, scratch)
    return out
  }
  scratch.counts.fill(0)
  for (let t = 0; t < numTokens; t++) {
    checkRow(logits, t, numExperts, options.availability)
    if (config.kind === "sparsemixer") routeSparsemixer(out, t, logits, config, scratch, options)
    else routeToken(out, t, logits, config, scratch, options)
    countChosen(scratch, out, t)
  }
  return out
}

/** Whether each token's experts are those of its largest logits, whatever other tokens chose: nearly always. */
function choosesByLogitsAlone(config: TopKRouterConfig, options: RouteOptions): boolean {
  const { selectionBias, routerNoise, availability, capacity = Number.POSITIVE_INFINITY } = options
  const isSteered = selectionBias !== undefined || routerNoise !== undefined || availability !== undefined
  return (
    !isSteered &&
    capacity === Number.POSITIVE_INFINITY &&
    config.groups === undefined &&
    choosesByLogits(config, selectionBias)
  )
}

/** As `routeToken`, for all tokens, in one pass over the logits. Tokens are alike: what the last one's best were above nearly bounds the next one's. */
function routeByLogits(
  out: Routing,
  logits: Float32Array,
  numTokens: number,
  config: TopKRouterConfig,
  scratch: RouteScratch,
): void {
  const { numExperts, choice: best } = scratch
  const { expertIds, topK } = out
  let floor = Number.NEGATIVE_INFINITY
  for (let t = 0; t < numTokens; t++) {
    const first = t * topK
    const row = t * numExperts
    let numChosen = selectLogits(expertIds, first, logits, row, numExperts, topK, floor, best)
    if (numChosen < topK && floor !== Number.NEGATIVE_INFINITY)
      numChosen = selectLogits(expertIds, first, logits, row, numExperts, topK, Number.NEGATIVE_INFINITY, best)
    if (numChosen < 0) checkRow(logits, t, numExperts, undefined)
    weighChosen(out, first, numChosen, logits, row, config, scratch, undefined)
    const least = best[topK - 1]!
    floor = numChosen < topK ? Number.NEGATIVE_INFINITY : least - FLOOR_MARGIN * (best[0]! - least)
  }
}

function countChosen({ counts }: RouteScratch, { expertIds, topK }: Routing, t: number): void {
  for (let a = t * topK; a < (t + 1) * topK; a++) if (expertIds[a]! >= 0) counts[expertIds[a]!]!++
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
  if (options.routerNoise === undefined) chooseBy(scratch, logits, row, config, options)
  else chooseBy(scratch, addNoise(scratch, logits, row, options.routerNoise), 0, config, options)
  excludeExperts(scratch, options)
  if (config.groups !== undefined) keepBestGroups(scratch, config.groups, config.topK)
  const first = t * out.topK
  const numChosen = selectTopK(out.expertIds, first, scratch.choice, scratch.numExperts, out.topK)
  weighChosen(out, first, numChosen, logits, row, config, scratch, options.availability)
}

/** Returns a token's logits with noise, in scratch. */
function addNoise({ numExperts, noisy }: RouteScratch, logits: Float32Array, row: number, noise: Float32Array) {
  for (let e = 0; e < numExperts; e++) noisy[e] = logits[row + e]! + noise[row + e]!
  return noisy
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
  config: TopKRouterConfig,
  { selectionBias, availability }: RouteOptions,
): void {
  const { numExperts, scores, choice } = scratch
  const byLogits = choosesByLogits(config, selectionBias)
  if (!byLogits) scoreExperts(scratch, logits, row, config.score, 1, availability)
  for (let e = 0; e < numExperts; e++) {
    choice[e] = (byLogits ? logits[row + e]! : scores[e]!) + (selectionBias?.[e] ?? 0)
  }
}

/** A softmax orders as its logits do, and these keep apart what an exponential would round together; sums of two they do not order. */
function choosesByLogits(
  { score, choosesByLogits: isTrainedSo = false, groups }: TopKRouterConfig,
  selectionBias: Float32Array | undefined,
): boolean {
  return isTrainedSo || (score === "softmax" && selectionBias === undefined && groups?.score !== "two-best")
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

function checkNoise(noise: Float32Array | undefined, length: number): void {
  if (noise === undefined || noise.length >= length) return
  throw new Error(`route: expected ${length} values of routerNoise, one for each logit, found ${noise.length}`)
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
