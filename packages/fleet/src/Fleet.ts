import { Clock, Context, Effect, Layer, type Scope } from "effect"
import { type AnswerLog, createAnswerLog } from "./answer/AnswerLog.ts"
import { type Feedback, type FeedbackReport, giveFeedback } from "./answer/giveFeedback.ts"
import { planConsult } from "./answer/planConsult.ts"
import type { Finish } from "./answer/runAttempt.ts"
import { runConsultation } from "./answer/runConsultation.ts"
import { type Answered, runFailover, type Say } from "./answer/runFailover.ts"
import { deadlineError } from "./answer/whyNobody.ts"
import type { AttemptRecord } from "./AttemptRecord.ts"
import { type ExpertConfig, type FleetConfig, isEngineExpert } from "./config/FleetConfig.ts"
import { createCore } from "./createCore.ts"
import type { FleetCore } from "./FleetCore.ts"
import type { FleetOptions } from "./FleetOptions.ts"
import { FleetError } from "./FleetError.ts"
import type { ConsultReport, FleetReport } from "./FleetReport.ts"
import type { FleetRequest } from "./FleetRequest.ts"
import type { ExpertHealthReport } from "./health/FleetHealth.ts"
import { createImageReader, type ReadImages } from "./image/createImageReader.ts"
import { keepReady } from "./local/keepReady.ts"
import { type LocalEngines, type LocalReport, openLocalEngines } from "./local/LocalEngines.ts"
import { reportRouting, type RouterReport } from "./route/createFleetRouting.ts"
import type { EmbedderReport } from "./route/createRequestEmbedder.ts"
import { embedRequest } from "./route/embedRequest.ts"
import { routeRequest } from "./route/routeRequest.ts"
import { type RouterSwap, swapRouter } from "./route/swapRouter.ts"

/** What a client is told at the end: how each choice ended, who answered and why. */
interface FleetAnswer {
  readonly finishes: readonly Finish[]
  readonly report: FleetReport
}

/** An expert as operators see it. */
export interface ExpertState extends ExpertHealthReport {
  readonly name: string
  readonly kind: ExpertConfig["kind"]
  readonly domain: string
  readonly standby: string | undefined
  readonly local: LocalReport | undefined
}

/** A fleet of expert models: one endpoint that picks, falls back and accounts. */
export interface FleetApi {
  readonly config: FleetConfig
  readonly locals: LocalEngines
  /**
   * Answers a request within its deadline; interrupting it ends whatever is under way.
   *
   * @param say told of text and calls, as they come where the request is a stream
   * @param note told of each attempt as it ends, of those too that an interruption ends: no answer and no error tells of these
   */
  readonly answer: (
    request: FleetRequest,
    say: Say,
    note?: (attempt: AttemptRecord) => void,
  ) => Effect.Effect<FleetAnswer, FleetError>
  /** Moves the trained router by how good an answer was. */
  readonly learn: (feedback: Feedback) => Effect.Effect<FeedbackReport, FleetError>
  readonly router: () => RouterReport
  /** Undefined where none is set up. */
  readonly embedder: () => EmbedderReport | undefined
  /** Reads the router's file anew and asks it from the next request on. One that cannot be used changes nothing. */
  readonly swapRouter: Effect.Effect<RouterSwap, FleetError>
  readonly state: Effect.Effect<readonly ExpertState[]>
  /** Takes nothing new at local experts, waits for what runs, ends their processes. */
  readonly drain: Effect.Effect<void>
}

/** The fleet; closing its scope ends every engine. */
export class Fleet extends Context.Service<Fleet, FleetApi>()("consilium/Fleet") {
  static layer = (options: FleetOptions): Layer.Layer<Fleet> => Layer.effect(Fleet, makeFleet(options))
}

const makeFleet = Effect.fnUntraced(function* (options: FleetOptions): Effect.fn.Return<FleetApi, never, Scope.Scope> {
  const locals = yield* openLocalEngines(options.locals, options.memoryBytes)
  const localConfigs = options.config.experts.filter(isEngineExpert)
  if (localConfigs.length > 0) yield* Effect.forkScoped(keepReady(localConfigs, locals, options.calendar))
  const readImages = yield* createImageReader(options.config)
  // Each request keeps the one that it began with.
  let core = createCore(options, locals, yield* Clock.currentTimeMillis)
  return {
    config: options.config,
    locals,
    answer: (request, say, note = () => {}) => answer(core, readImages, request, say, note),
    learn: (feedback) => giveFeedback(core, feedback),
    router: () => reportRouting(core),
    embedder: () => core.embedder?.report(),
    swapRouter: Effect.flatMap(Clock.currentTimeMillis, (nowMs) =>
      attemptPlain(() => {
        const { routing, swap } = swapRouter(core, nowMs)
        core = { ...core, ...routing }
        return swap
      }),
    ),
    state: Effect.map(Clock.currentTimeMillis, (now) =>
      core.members.map((_, place) => stateOf(core, locals, place, now)),
    ),
    drain: locals.drain,
  }
})

/** The stages of a request, under its deadline. */
const answer = Effect.fnUntraced(function* (
  core: FleetCore,
  readImages: ReadImages | undefined,
  request: FleetRequest,
  say: Say,
  note: (attempt: AttemptRecord) => void,
): Effect.fn.Return<FleetAnswer, FleetError> {
  const { deadlineMs } = core.config
  const log = createAnswerLog((yield* Clock.currentTimeMillis) + deadlineMs, request.budgetUsd, note)
  const answered = Effect.gen(function* () {
    const read = readImages !== undefined && wantsReading(core, request)
    const readable = read ? { ...request, messages: yield* readImages(request.messages) } : request
    return yield* answerReadable(core, readable, log, say)
  })
  return yield* answered.pipe(
    Effect.timeoutOrElse({ duration: deadlineMs, orElse: () => Effect.fail(deadlineError(core, log)) }),
  )
})

const answerReadable = Effect.fnUntraced(function* (
  core: FleetCore,
  request: FleetRequest,
  log: AnswerLog,
  say: Say,
): Effect.fn.Return<FleetAnswer, FleetError> {
  const embedded = yield* embedRequest(core, request)
  const call = yield* attemptPlain(() => routeRequest(core, request, embedded))
  const consult = planConsult(core, call, request, yield* Clock.currentTimeMillis, log)
  const run: Effect.Effect<Answered & { readonly consultation?: ConsultReport }, FleetError> =
    consult === undefined
      ? runFailover(core, call, request, log, say)
      : runConsultation(core, call, { ...request, consult }, log, say)
  const { place, finishes, plan, pressures, consultation } = yield* run
  const { config, expert } = core.members[place]!
  if (consultation === undefined) core.memory.note(request.requestId, { request: call.routed, expert: config.name })
  const report: FleetReport = {
    expert: config.name,
    backend: expert.backend(),
    route: call.report(plan, pressures, place, consult?.why),
    attempts: log.attempts,
    cost: log.cost,
    ...(consultation && { consultation }),
  }
  return { finishes, report }
})

/** Whether a request has images that none of those who may answer it reads. */
function wantsReading({ members }: FleetCore, { messages, target }: FleetRequest): boolean {
  if (!messages.some(({ images = [] }) => images.length > 0)) return false
  return !members.some(
    ({ config }) => config.modalities.includes("image") && (target.kind !== "expert" || target.name === config.name),
  )
}

/** What throws a `FleetError` fails with it. */
const attemptPlain = <A>(run: () => A): Effect.Effect<A, FleetError> =>
  Effect.try({
    try: run,
    catch: (error) => {
      if (error instanceof FleetError) return error
      throw error
    },
  })

function stateOf({ members, health }: FleetCore, locals: LocalEngines, place: number, nowMs: number): ExpertState {
  const { config } = members[place]!
  const { name, kind, domain, standby } = config
  const local = isEngineExpert(config) ? locals.report(name) : undefined
  return { name, kind, domain, standby, local, ...health.report(place, nowMs) }
}
