import { FleetError } from "../FleetError.ts"
import type { FleetCore } from "../FleetCore.ts"
import type { ExpertScore, RouteReport } from "../FleetReport.ts"
import type { FleetRequest } from "../FleetRequest.ts"
import type { RoutedRequest } from "../router/RequestRouter.ts"
import { complexityOf } from "./complexityOf.ts"
import type { BaseScores } from "./createBaseStage.ts"
import type { EmbeddedText } from "./createRequestEmbedder.ts"
import { routedText } from "./embedRequest.ts"
import type { Purse } from "../answer/Purse.ts"
import { estimateCost, estimatePromptTokens } from "./estimateCost.ts"
import type { Complexity } from "./measureComplexity.ts"
import { targetText } from "./parseTarget.ts"
import { type ExpertPressure, planRoute, type RoutePlan } from "./planRoute.ts"

/** A request as its route sees it: base scores once, the load anew for each attempt. */
export interface RoutedCall {
  readonly routed: RoutedRequest
  readonly base: BaseScores
  readonly promptTokens: number
  /** Of a request that names its expert. */
  readonly named: number | undefined
  readonly purse: Purse | undefined
  /** Undefined where only who asks for a consultation gets one. */
  readonly complexity: Complexity | undefined
  /** Plans with the load as it is now, and what is left of the budget. */
  plan(nowMs: number, budgetUsd: number): RoutePlan & { readonly pressures: readonly ExpertPressure[] }
  /** @param why in place of how the expert was chosen */
  report(plan: RoutePlan, pressures: readonly ExpertPressure[], chosen: number, why?: string): RouteReport
}

/**
 * Scores a request: rules and router, and the share between strong and cheap where it is asked for.
 *
 * @param embedded the request's `routedText`, where the router wants an embedding
 */
export function routeRequest(core: FleetCore, request: FleetRequest, embedded: EmbeddedText | undefined): RoutedCall {
  const { members, generalist } = core
  const routed = asRouted(request, embedded)
  const promptTokens = routed.numTokens!
  const { target } = request
  const scored = core.baseStage(routed)
  const base = target.kind === "share" ? shareOut(core, scored, target.share, routed) : scored
  const named = target.kind === "expert" ? members.findIndex(({ config }) => config.name === target.name) : undefined
  const complexity = complexityOf(core, request, routed, base)
  return {
    routed,
    base,
    promptTokens,
    named,
    purse: request.purse,
    complexity,
    plan(nowMs, budgetUsd) {
      const pressures = members.map((_, place) => pressureOf(core, place, request, promptTokens, nowMs, budgetUsd))
      return { ...planRoute(base.scores, pressures), pressures }
    },
    report(plan, pressures, chosen, given) {
      const plain = given ?? whyOf(base, named, chosen, generalist, core.config.leastScore)
      const isScored = named === undefined && base.rules[chosen] === undefined
      const why = embedded?.lacks !== undefined && isScored ? `${plain}; by words alone: ${embedded.lacks}` : plain
      const scores = members.map(({ config }, place): ExpertScore => {
        const { unavailable } = pressures[place]!
        const [baseScore, adjusted] = [rounded(base.scores[place]!), rounded(plan.adjusted[place]!)]
        return { expert: config.name, base: baseScore, adjusted, ...(unavailable && { unavailable }) }
      })
      scores.sort(
        (a, b) => Number(a.unavailable !== undefined) - Number(b.unavailable !== undefined) || b.adjusted - a.adjusted,
      )
      return { model: targetText(target), why, ...(complexity && { complexity: rounded(complexity.value) }), scores }
    },
  }
}

function asRouted({ messages, tools }: FleetRequest, embedded: EmbeddedText | undefined): RoutedRequest {
  const numImages = messages.reduce((sum, { images = [] }) => sum + images.length, 0)
  return {
    text: routedText(messages),
    numImages,
    hasTools: tools.length > 0,
    numTokens: estimatePromptTokens(messages),
    ...(embedded && { embedding: embedded.embedding }),
  }
}

/**
 * Whether the strong expert is worth it is what the router says more for it than for the cheap one; the share says how much is enough.
 *
 * A cost-quality router was trained to say just that. A rule outweighs it: what a rule is worth is more than any gain.
 */
function shareOut(
  { members, strongShare, router }: FleetCore,
  base: BaseScores,
  share: number,
  routed: RoutedRequest,
): BaseScores {
  const best = (role: "strong" | "cheap"): number =>
    members.reduce((most, { config }, e) => (config.role === role ? Math.max(most, base.scores[e]!) : most), -1)
  const [strong, cheap] = [best("strong"), best("cheap")]
  if (strong < 0 || cheap < 0) {
    const message = `auto:${share} wants an expert of the role "strong" and one of the role "cheap", found none of the role "${strong < 0 ? "strong" : "cheap"}"`
    throw new FleetError({ code: "bad-request", message, attempts: [] })
  }
  const isRuled = base.rules.some((rule) => rule !== undefined)
  const margin = isRuled ? strong - cheap : (router.gain?.(routed) ?? strong - cheap)
  const role = strongShare.takes(margin, share, routed.text) ? "strong" : "cheap"
  const rule = `the share of ${share} makes it the ${role} expert's`
  return {
    // The other role stands in where this one fails, the rest only after it.
    scores: base.scores.map((score, e) => {
      const own = members[e]!.config.role
      return own === role ? 2 + score : own === undefined ? 0 : 1
    }),
    rules: members.map(({ config }) => (config.role === role ? rule : undefined)),
  }
}

function pressureOf(
  { members, health }: FleetCore,
  place: number,
  request: FleetRequest,
  promptTokens: number,
  nowMs: number,
  budgetUsd: number,
): ExpertPressure {
  const { config } = members[place]!
  const costUsd = estimateCost(config.price, config.limits, promptTokens, request)
  const { concurrency } = config.limits
  return {
    queueShare: concurrency === Number.POSITIVE_INFINITY ? 0 : health.numAnswering(place) / concurrency,
    latencyMs: health.latencyMs(place),
    costUsd,
    unavailable:
      unsuitable(config, request) ??
      (costUsd > budgetUsd ? "over budget" : undefined) ??
      (request.purse?.allows(config, costUsd) === false ? BEYOND_BUDGET : health.hindrance(place, nowMs)?.why),
  }
}

/** Of an expert that a budget of accounts does not pay for. */
export const BEYOND_BUDGET = "beyond a budget"

/** Why an expert cannot answer such a request, whatever its load. */
function unsuitable(
  { kind, modalities }: FleetCore["members"][number]["config"],
  request: FleetRequest,
): string | undefined {
  const hasImages = request.messages.some(({ images = [] }) => images.length > 0)
  if (hasImages && !modalities.includes("image")) return "reads no images"
  if (request.numTopLogProbs !== undefined && kind === "remote") return "gives no log-probabilities"
  return undefined
}

function whyOf(
  { scores, rules }: BaseScores,
  named: number | undefined,
  chosen: number,
  generalist: number,
  least: number,
): string {
  if (named !== undefined)
    return named === chosen ? "it was asked for by name" : "it stands in for the one that was asked for"
  if (rules[chosen] !== undefined) return `rule: ${rules[chosen]}`
  if (chosen === generalist && scores[chosen]! < least) {
    return scores.some((score) => score >= least)
      ? "it stands in for those that suit better"
      : "no expert stands out: the generalist's"
  }
  return `score ${rounded(scores[chosen]!)}`
}

const rounded = (score: number): number => Math.round(score * 1e4) / 1e4
