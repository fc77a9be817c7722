import { Clock, Effect, Result } from "effect"
import type { Consult, ConsultKind } from "../Consult.ts"
import type { FleetCore } from "../FleetCore.ts"
import type { FleetError } from "../FleetError.ts"
import type { ConsultReport } from "../FleetReport.ts"
import type { FleetRequest } from "../FleetRequest.ts"
import type { RoutedCall } from "../route/routeRequest.ts"
import type { AnswerLog } from "./AnswerLog.ts"
import { judgeRequest, parseVerdict, synthesisRequest } from "./consultPrompts.ts"
import { pickByVote } from "./pickByVote.ts"
import { type Answered, runFailover, type Say } from "./runFailover.ts"
import { planConsultation } from "./planConsultation.ts"

/** An expert's answer, held back. */
interface Proposal extends Answered {
  readonly text: string
}

type Consulted = Answered & { readonly consultation: ConsultReport }

/** Experts have this share of the time; the rest is for whoever decides. */
const PROPOSAL_SHARE = 0.6

/**
 * Asks several experts side by side, and makes one answer of theirs: the best by a judge, the one that most gave, or a synthesis by a lead.
 *
 * Whoever is late or fails is missing, and the answer says so. Where nobody can decide, the answer of who suited best is taken.
 */
export const runConsultation = Effect.fnUntraced(function* (
  core: FleetCore,
  call: RoutedCall,
  request: FleetRequest & { readonly consult: Consult },
  log: AnswerLog,
  say: Say,
): Effect.fn.Return<Consulted, FleetError> {
  const { kind, numExperts } = request.consult
  const nowMs = yield* Clock.currentTimeMillis
  const plan = call.plan(nowMs, log.leftUsd)
  const { proposers, judge } = planConsultation(core, plan, numExperts, log.leftUsd)
  const nameOf = (place: number): string => core.members[place]!.config.name
  const until = log.until(nowMs + (log.deadlineMs - nowMs) * PROPOSAL_SHARE)
  const proposals = yield* propose(core, call, request, until, proposers)
  const reportOf = (decision: string): ConsultReport => {
    const answered = proposals.map(({ place }) => place)
    const missing = proposers.filter((place) => !answered.includes(place)).map(nameOf)
    return { kind, answered: answered.map(nameOf), missing, isPartial: missing.length > 0, decision }
  }
  // Nobody answered: the others of the fleet are tried, one after the other.
  if (proposals.length === 0) {
    const tried = proposers.filter((place) => log.attempts.some(({ expert }) => expert === nameOf(place)))
    const answered = yield* runFailover(core, call, request, log, say, tried)
    return { ...answered, consultation: reportOf(`none of those asked answered: ${nameOf(answered.place)} did, alone`) }
  }
  const decide = proposals.length === 1 ? alone : DECISIONS[kind]
  const { decision, ...answered } = yield* decide(core, { ...call, named: judge }, request, log, proposals, say)
  return { ...answered, consultation: reportOf(decision) }
})

/** Asks them side by side; returns the answers that came in time, in the order of who was asked. */
const propose = Effect.fnUntraced(function* (
  core: FleetCore,
  call: RoutedCall,
  request: FleetRequest,
  log: AnswerLog,
  proposers: readonly number[],
): Effect.fn.Return<readonly Proposal[]> {
  // Each speaks for itself: a standby in its place would be heard twice.
  const alone = { ...core, standbys: core.standbys.map(() => -1) }
  const nowMs = yield* Clock.currentTimeMillis
  const one = (place: number) =>
    Effect.suspend(() => {
      let text = ""
      const hear: Say = (event) => void (event.type === "text" && (text += event.text))
      const own = { ...request, isStream: false, numChoices: 1 }
      return Effect.map(runFailover(alone, { ...call, named: place }, own, log, hear), (answered) => ({
        ...answered,
        text,
      }))
    }).pipe(Effect.timeoutOption(log.deadlineMs - nowMs), Effect.result)
  const results = yield* Effect.forEach(proposers, one, { concurrency: "unbounded" })
  return results.flatMap((result) =>
    Result.isSuccess(result) && result.success._tag === "Some" && result.success.value.text !== ""
      ? [result.success.value]
      : [],
  )
})

type Decide = (
  core: FleetCore,
  /** Names the judge. */
  call: RoutedCall,
  request: FleetRequest,
  log: AnswerLog,
  proposals: readonly Proposal[],
  say: Say,
) => Effect.Effect<Answered & { readonly decision: string }, FleetError>

/** Says a proposal's text as the answer. */
function take({ members }: FleetCore, proposal: Proposal, decision: string, say: Say) {
  const { text, ...answered } = proposal
  say({ type: "text", choice: 0, text, logProbs: [] }, members[proposal.place]!.config.name)
  return { ...answered, decision }
}

const alone: Decide = (core, _call, _request, _log, [only], say) =>
  Effect.sync(() => take(core, only!, "only one answer came: nobody had to decide", say))

const vote: Decide = (core, _call, _request, _log, proposals, say) =>
  Effect.sync(() => {
    const { winner, numVotes } = pickByVote(proposals.map(({ text }) => text))
    const decision =
      numVotes === 1
        ? "no two answers agree: that of the best-scored expert"
        : `${numVotes} of ${proposals.length} said the same`
    return take(core, proposals[winner]!, decision, say)
  })

const bestOf: Decide = Effect.fnUntraced(function* (core, call, request, log, proposals, say) {
  let words = ""
  const hear: Say = (event) => void (event.type === "text" && (words += event.text))
  const asked = judgeRequest(
    request,
    proposals.map(({ text }) => text),
  )
  const judged = yield* Effect.result(runFailover(core, call, asked, log, hear))
  const verdict = Result.isSuccess(judged) ? parseVerdict(words, proposals.length) : undefined
  const why = Result.isSuccess(judged) ? "named no answer" : "failed"
  const decision =
    verdict === undefined
      ? `the judge ${why}: the answer of the best-scored expert`
      : `the judge ${core.members[(judged as Result.Success<Answered, FleetError>).success.place]!.config.name} chose it of ${proposals.length}`
  return take(core, proposals[verdict ?? 0]!, decision, say)
})

const synthesis: Decide = Effect.fnUntraced(function* (core, call, request, log, proposals, say) {
  let hasSaid = false
  const tell: Say = (event, expert) => {
    hasSaid = true
    say(event, expert)
  }
  const asked = synthesisRequest(
    request,
    proposals.map(({ text }) => text),
  )
  const written = yield* Effect.result(runFailover(core, call, asked, log, tell))
  if (Result.isSuccess(written)) {
    const lead = core.members[written.success.place]!.config.name
    return { ...written.success, decision: `${lead} wrote it from ${proposals.length} answers` }
  }
  // A beginning of another answer has left already.
  if (hasSaid) return yield* written.failure
  return take(core, proposals[0]!, "the lead failed: the answer of the best-scored expert", say)
})

const DECISIONS: Readonly<Record<ConsultKind, Decide>> = { vote, "best-of": bestOf, synthesis }
