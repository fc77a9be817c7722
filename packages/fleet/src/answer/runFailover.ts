import { Clock, Effect, Result } from "effect"
import type { FleetCore } from "../FleetCore.ts"
import { FleetError } from "../FleetError.ts"
import type { ExpertRequest, FleetRequest } from "../FleetRequest.ts"
import { estimateTokens } from "../route/estimateCost.ts"
import type { ExpertPressure, RoutePlan } from "../route/planRoute.ts"
import type { RoutedCall } from "../route/routeRequest.ts"
import type { AnswerLog } from "./AnswerLog.ts"
import { planNextExpert } from "./planNextExpert.ts"
import type { Finish, SaidEvent } from "./runAttempt.ts"
import { LAST_MS, tryExpert } from "./tryExpert.ts"
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

/**
 * Answers a request by the best expert, or by whoever stands in for it.
 *
 * Where text leaves as it comes, a failure after the first text is the end, unless the standby can go on with it. Otherwise an attempt's text is
 * held back until it has ended, so that no client ever sees two answers.
 *
 * @param triedBefore places of who was asked for this answer already, an attempt of the log each: nobody is asked twice
 */
export const runFailover = Effect.fnUntraced(function* (
  core: FleetCore,
  call: RoutedCall,
  request: FleetRequest,
  log: AnswerLog,
  say: Say,
  triedBefore: readonly number[] = [],
): Effect.fn.Return<Answered, FleetError> {
  const clock = yield* Clock.Clock
  const tried = [...triedBefore]
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
    const result = yield* tryExpert(core, place, expertRequest(request, sent.text), scope, hear)
    if (Result.isFailure(result)) continue
    for (const event of held) say(event, core.members[place]!.config.name)
    return { place, finishes: result.success.finishes, plan, pressures }
  }
})

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
