import { type TokenCounts, tokenCostUsd } from "@consilium/cost"
import type { EngineUse } from "@consilium/serving"
import { Clock, Effect, Exit, Result } from "effect"
import type { AttemptRecord } from "../AttemptRecord.ts"
import { ExpertFailure } from "../ExpertFailure.ts"
import type { FleetCore } from "../FleetCore.ts"
import type { ExpertRequest } from "../FleetRequest.ts"
import type { AdmittedAttempt } from "../health/FleetHealth.ts"
import { estimateTokens } from "../route/estimateCost.ts"
import type { AnswerLog } from "./AnswerLog.ts"
import type { Purse } from "./Purse.ts"
import { type Attempted, type Finish, runAttempt, type SaidEvent } from "./runAttempt.ts"

/** So much before the deadline an attempt is given up, so that the deadline finds its failure written down. */
export const LAST_MS = 10

/** An attempt that had so much of the deadline had its time, though its expert's own is longer: no other will ever have more. */
const WHOLE_SHARE = 0.9

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

/** Makes one attempt, written down in the expert's health, in the log and in the ledger however it ends, by a defect too. */
export const tryExpert = Effect.fnUntraced(function* (
  { members, health, config: { deadlineMs } }: FleetCore,
  place: number,
  request: ExpertRequest,
  { log, beganMs, promptTokens, mostUsd, purse }: AttemptScope,
  say: (event: SaidEvent) => void,
): Effect.fn.Return<AttemptResult> {
  const clock = yield* Clock.Clock
  const { config, expert } = members[place]!
  let saidTokens = 0
  let use: EngineUse | undefined
  const count = (event: SaidEvent): void => {
    if (event.type === "text") saidTokens += estimateTokens(event.text)
    say(event)
  }
  const timeoutMs = Math.min(config.timeoutMs, log.deadlineMs - beganMs - LAST_MS)
  const isCut = timeoutMs < Math.min(config.timeoutMs, WHOLE_SHARE * deadlineMs)
  const begin = (): Begun | undefined => {
    const paid = purse?.reserve(config, mostUsd)
    // Between the plan and now somebody else has spent it.
    if (purse !== undefined && paid === undefined) return undefined
    return { admitted: health.admit(place, beganMs), paid }
  }
  const note = ({ admitted, paid }: Begun, exit: Exit.Exit<AttemptResult>): void => {
    const nowMs = clock.currentTimeMillisUnsafe()
    const outcome = Exit.isFailure(exit) ? undefined : exit.value
    judge(admitted, outcome, isCut, nowMs)
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
    paid?.settle(record, use, nowMs)
  }
  return yield* Effect.acquireUseRelease(
    Effect.sync(begin),
    (begun) =>
      begun === undefined
        ? Effect.succeed(Result.fail(UNPAID))
        : Effect.result(runAttempt(expert, request, timeoutMs, count, (used) => (use = used))),
    (begun, exit) =>
      Effect.sync(() => {
        if (begun !== undefined) return note(begun, exit)
        log.add({ expert: config.name, ...outcomeOf(Result.fail(UNPAID)), ms: 0, ...NO_TOKENS, costUsd: 0 })
      }),
  )
})

/** Tells the expert's health. @param isCut others had used up the time that is its own: given up early, it may be as well as ever */
function judge(admitted: AdmittedAttempt, result: AttemptResult | undefined, isCut: boolean, nowMs: number): void {
  if (result === undefined) return admitted.abandoned()
  if (Result.isSuccess(result)) return admitted.succeeded(result.success.ttftMs, nowMs)
  const { failure } = result
  if (isCut && failure.kind === "timeout") return admitted.abandoned()
  admitted.failed(failure, nowMs)
}

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
