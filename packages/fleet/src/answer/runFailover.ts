import { type TokenCounts, tokenCostUsd } from "@consilium/cost"
import { Clock, Effect, Exit, Result } from "effect"
import { ExpertFailure } from "../ExpertFailure.ts"
import type { AttemptRecord } from "../AttemptRecord.ts"
import type { FleetCore } from "../FleetCore.ts"
import { FleetError } from "../FleetError.ts"
import type { ExpertRequest, FleetRequest } from "../FleetRequest.ts"
import type { AdmittedAttempt } from "../health/FleetHealth.ts"
import { estimateTokens } from "../route/estimateCost.ts"
import type { ExpertPressure, RoutePlan } from "../route/planRoute.ts"
import type { RoutedCall } from "../route/routeRequest.ts"
import type { AnswerLog } from "./AnswerLog.ts"
import type { Purse } from "./Purse.ts"
import { planNextExpert } from "./planNextExpert.ts"
import { type Attempted, type Finish, runAttempt, type SaidEvent } from "./runAttempt.ts"
import { whyNobody } from "./whyNobody.ts"

/** An answer, and who gave it. */
export interface Answered {
  readonly place: number
  readonly finishes: readonly Finish[]
  /** The route as it stood when this expert was asked. */
  readonly plan: RoutePlan
  readonly pressures: readonly ExpertPressure[]
}

/** Called plainly with what a client sees, and with who said it. */
export type Say = (event: SaidEvent, expert: string) => void

/** So much before the deadline an attempt is given up, so that the deadline finds its failure written down. */
const LAST_MS = 10

/**
 * Answers a request by the best expert, or by whoever stands in for it.
 *
 * Where text leaves as it comes, a failure after the first text is the end, unless the standby can go on with it. Otherwise an attempt's text is
 * held back until it has ended, so that no client ever sees two answers.
 */
export const runFailover = Effect.fnUntraced(function* (
  core: FleetCore,
  call: RoutedCall,
  request: FleetRequest,
  log: AnswerLog,
  say: Say,
): Effect.fn.Return<Answered, FleetError> {
  const clock = yield* Clock.Clock
  const tried: number[] = []
  const sent = createSent()
  for (;;) {
    const beganMs = clock.currentTimeMillisUnsafe()
    const { pressures, ...plan } = call.plan(beganMs, log.leftUsd)
    const place = planNextExpert({
      order: plan.order,
      base: call.base.scores,
      leastScore: core.config.leastScore,
      standbys: core.standbys,
      generalist: core.generalist,
      tried,
      named: call.named,
      hasSent: sent.hasSent,
      continues: core.members.map(({ expert }) => expert.continues && sent.isPlain && request.numChoices === 1),
    })
    if (place === undefined || log.deadlineMs - beganMs <= LAST_MS)
      return yield* whyNobody(core, call, { pressures, tried, log, nowMs: beganMs, hasSent: sent.hasSent })
    tried.push(place)
    const held: SaidEvent[] = []
    const hear = (event: SaidEvent): void => {
      if (!request.isStream) return void held.push(event)
      sent.note(event)
      say(event, core.members[place]!.config.name)
    }
    const { promptTokens } = call
    const scope = { log, beganMs, promptTokens, mostUsd: pressures[place]!.costUsd, purse: request.purse }
    const result = yield* attempt(core, place, expertRequest(request, sent.text), scope, hear)
    if (Result.isFailure(result)) continue
    for (const event of held) say(event, core.members[place]!.config.name)
    return { place, finishes: result.success.finishes, plan, pressures }
  }
})

interface AttemptScope {
  readonly log: AnswerLog
  readonly beganMs: number
  readonly promptTokens: number
  /** What it may cost, by the estimate. */
  readonly mostUsd: number
  readonly purse: Purse | undefined
}

/** What has to be ended, however the attempt ends. */
interface Begun {
  readonly admitted: AdmittedAttempt
  /** Undefined where nobody keeps accounts. */
  readonly paid: ReturnType<Purse["reserve"]>
}

const UNPAID = new ExpertFailure({ kind: "unavailable", message: "a budget does not allow it any more" })

type AttemptResult = Result.Result<Attempted, ExpertFailure>

/** One attempt, written down in the expert's health, in the log and in the ledger however it ends, by a defect too. */
const attempt = Effect.fnUntraced(function* (
  { members, health }: FleetCore,
  place: number,
  request: ExpertRequest,
  { log, beganMs, promptTokens, mostUsd, purse }: AttemptScope,
  say: (event: SaidEvent) => void,
): Effect.fn.Return<AttemptResult> {
  const clock = yield* Clock.Clock
  const { config, expert } = members[place]!
  let saidTokens = 0
  const count = (event: SaidEvent): void => {
    if (event.type === "text") saidTokens += estimateTokens(event.text)
    say(event)
  }
  const begin = (): Begun | undefined => {
    const paid = purse?.reserve(config, mostUsd)
    // Between the plan and now somebody else has spent it.
    if (purse !== undefined && paid === undefined) return undefined
    return { admitted: health.admit(place, beganMs), paid }
  }
  const note = ({ admitted, paid }: Begun, exit: Exit.Exit<AttemptResult>): void => {
    const nowMs = clock.currentTimeMillisUnsafe()
    const outcome = Exit.isFailure(exit) ? undefined : exit.value
    if (outcome === undefined) admitted.abandoned()
    else if (Result.isFailure(outcome)) admitted.failed(outcome.failure, nowMs)
    else admitted.succeeded(outcome.success.ttftMs, nowMs)
    // What an attempt without an end has cost, by what was said.
    const said = { promptTokens: saidTokens === 0 ? 0 : promptTokens, cachedTokens: 0, generatedTokens: saidTokens }
    const tokens = outcome !== undefined && Result.isSuccess(outcome) ? tokensOf(outcome.success.finishes) : said
    const record: AttemptRecord = {
      expert: config.name,
      ...outcomeOf(outcome),
      ms: nowMs - beganMs,
      ...tokens,
      costUsd: tokenCostUsd(tokens, config.price),
    }
    log.add(record)
    paid?.settle(record, nowMs)
  }
  const timeoutMs = Math.min(config.timeoutMs, log.deadlineMs - beganMs - LAST_MS)
  return yield* Effect.acquireUseRelease(
    Effect.sync(begin),
    (begun) =>
      begun === undefined
        ? Effect.succeed(Result.fail(UNPAID))
        : Effect.result(runAttempt(expert, request, timeoutMs, count)),
    (begun, exit) =>
      Effect.sync(() => {
        if (begun !== undefined) return note(begun, exit)
        log.add({ expert: config.name, ...outcomeOf(Result.fail(UNPAID)), ms: 0, ...NO_TOKENS, costUsd: 0 })
      }),
  )
})

/** @param result undefined where it was interrupted */
function outcomeOf(result: AttemptResult | undefined): Pick<AttemptRecord, "outcome" | "message" | "ttftMs"> {
  if (result === undefined) return { outcome: "interrupted" }
  if (Result.isSuccess(result)) return { outcome: "answered", ttftMs: result.success.ttftMs }
  const { kind, message } = result.failure
  return { outcome: kind, message }
}

const NO_TOKENS: TokenCounts = { promptTokens: 0, cachedTokens: 0, generatedTokens: 0 }

/** The choices of an answer share its prompt. */
function tokensOf(finishes: readonly Finish[]): TokenCounts {
  const most = (of: (usage: Finish["usage"]) => number): number =>
    finishes.reduce((value, { usage }) => Math.max(value, of(usage)), 0)
  return {
    promptTokens: most(({ promptTokens }) => promptTokens),
    cachedTokens: Math.min(...finishes.map(({ usage }) => usage.cachedTokens)),
    generatedTokens: finishes.reduce((sum, { usage }) => sum + usage.generatedTokens, 0),
  }
}

function expertRequest(request: FleetRequest, prefix: string): ExpertRequest {
  const {
    target: _target,
    isStream: _isStream,
    budgetUsd: _budget,
    purse: _purse,
    consult: _consult,
    ...asked
  } = request
  const { maxTokens, ...rest } = asked
  const left = maxTokens === undefined ? undefined : Math.max(1, maxTokens - estimateTokens(prefix))
  return { ...rest, prefix, maxTokens: left }
}

/** What has left for the client. */
function createSent() {
  let text = ""
  let hasSent = false
  let isPlain = true
  return {
    get text() {
      return text
    },
    get hasSent() {
      return hasSent
    },
    /** It is text and nothing else: what can be gone on with. */
    get isPlain() {
      return isPlain
    },
    note(event: SaidEvent): void {
      hasSent = true
      if (event.type === "text" && event.logProbs.length === 0) text += event.text
      else isPlain = false
    },
  }
}
