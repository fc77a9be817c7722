import { openKnowledgeBase } from "@consilium/agent"
import { synthesizeTrace, type TracedRequest } from "@consilium/benchmarks/load"
import type { ChatMessage, ModelText } from "@consilium/serving"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { answerQuestions, type JudgedQuestion } from "./answer/answerQuestions.ts"
import type { CaseQuestion } from "./answer/CaseQuestion.ts"
import { readQuestions } from "./answer/readQuestions.ts"
import type { Case } from "./Case.ts"
import type { Contender } from "./measure/Contender.ts"
import { usdPerThousandAnswers } from "./measure/costOf.ts"
import { CONTEXT, loadMiniText, prepareMini, SLOTS_PER_EXPERT } from "./measure/engineStart.ts"
import { type Burst, measureBurst } from "./measure/measureBurst.ts"
import { type Concurrency, measureConcurrency } from "./measure/measureConcurrency.ts"
import { measureTimes } from "./measure/measureTimes.ts"
import { type CaseFleet, openCaseFleet } from "./measure/openCaseFleet.ts"
import { openDense } from "./measure/openDense.ts"
import type { CaseResult, Timing } from "./report/CaseResult.ts"

/** How much a case measures. */
export interface CaseEffort {
  /** Of each forced answer: about as long as the model's own. */
  readonly numTokens: number
  readonly boundMs: number
  /** Prompts that are timed. */
  readonly numTimed: number
  readonly mostStreams: number
  readonly rounds: number
  readonly numBurst: number
  /** Whose beginning a burst is; a synthetic one where there is none. */
  readonly trace?: readonly TracedRequest[] | undefined
}

export const FULL: CaseEffort = {
  numTokens: 48,
  // A person does not notice it as waiting.
  boundMs: 500,
  numTimed: 40,
  mostStreams: 256,
  rounds: 3,
  numBurst: 120,
}

/** Requests a second of a burst, on average: the trace has its own bursts inside. */
const BURST_RATE = 30
const SEED = 11

/** Where the cases are. */
export const CASES_DIR = join(import.meta.dir, "..")

/** A case under way. */
interface RunningCase {
  readonly one: Case
  readonly effort: CaseEffort
  readonly fleet: CaseFleet
  readonly text: ModelText
  readonly questions: readonly CaseQuestion[]
  /** Of the run's own, gone afterwards. */
  readonly dir: string
  /** Told of what is going on, for a person who waits. */
  readonly report: (line: string) => void
}

/** Runs a case from its first engine's start to its figures. */
export async function runCase(one: Case, effort: CaseEffort, report: RunningCase["report"]): Promise<CaseResult> {
  const dir = mkdtempSync(join(tmpdir(), `consilium-${one.name}-`))
  const file = (name: string): string => join(CASES_DIR, one.name, name)
  try {
    const text = loadMiniText()
    report("starting the fleet")
    const fleet = await openCaseFleet(file("consilium.toml"), await prepareMini(dir), text)
    try {
      const questions = readQuestions(file("questions.jsonl"))
      return await measureCase({ one, effort, fleet, text, questions, dir, report })
    } finally {
      await fleet.close()
    }
  } finally {
    rmSync(dir, { recursive: true, force: true })
  }
}

async function measureCase(running: RunningCase): Promise<CaseResult> {
  const { name, title } = running.one
  const { numTokens, boundMs } = running.effort
  const questions = await judgeAll(running)
  const [before, after] = await timeAgainstDense(running)
  const burst = await runBurst(running, questions)
  return { name, title, questions, before, after, numTokens, boundMs, burst }
}

async function judgeAll({ one, fleet, text, questions, report }: RunningCase): Promise<readonly JudgedQuestion[]> {
  report(`answering ${questions.length} questions, before and after`)
  // Each expert is the embedded model: any of them is the model alone.
  const engine = fleet.fleet.locals.engineOf(fleet.experts[0]!)
  const knowledge = openKnowledgeBase(":memory:")
  try {
    await knowledge.addFolder(join(CASES_DIR, one.name, "documents"))
    const desks = { fleet: fleet.fleet, knowledge, contextLength: CONTEXT }
    return await answerQuestions(one, questions, { engine, text }, desks)
  } finally {
    knowledge.close()
  }
}

async function timeAgainstDense(running: RunningCase): Promise<readonly [before: Timing, after: Timing]> {
  const { one, effort, fleet, text, questions, dir, report } = running
  report("generating a dense model of the fleet's size")
  const size = { numParameters: fleet.numParameters, numSlots: fleet.experts.length * SLOTS_PER_EXPERT }
  const dense = await openDense(dir, size, text)
  try {
    const prompts = promptsOf(one, questions)
    report("timing answers one at a time")
    const timed = prompts.slice(0, effort.numTimed)
    const times = await measureTimes([dense, fleet], timed, effort.numTokens)
    report("finding the most streams")
    const concurrency = await measureConcurrency([dense, fleet], prompts, effort)
    const timingOf = (contender: Contender, i: number): Timing => ({
      numParameters: contender.numParameters,
      numActiveParameters: contender.numActiveParameters,
      ms: times[i]!,
      concurrency: concurrency[i]!,
      usdPerThousand: costOf(concurrency[i]!, effort.numTokens),
    })
    return [timingOf(dense, 0), timingOf(fleet, 1)]
  } finally {
    await dense.close()
  }
}

/** Of the level that the bound allows; where it allows none, of one stream. */
function costOf({ best, levels }: Concurrency, numTokens: number): number {
  return usdPerThousandAnswers(best ?? levels[0]!, numTokens)
}

function promptsOf({ instructions }: Case, questions: readonly CaseQuestion[]): readonly (readonly ChatMessage[])[] {
  return questions.map(({ ask }) => [
    { role: "system", content: instructions },
    { role: "user", content: ask },
  ])
}

/** The burst asks what the router sends to the event's experts: the others may sleep on. */
async function runBurst(
  { one, effort, fleet, report }: RunningCase,
  judged: readonly JudgedQuestion[],
): Promise<Burst | undefined> {
  const { name, calendar } = one
  if (calendar === undefined) return undefined
  report(`a burst when the ${calendar.event} begins, asleep and awake`)
  const { experts } = fleet.fleet.config
  const concerned = experts.filter(({ events }) => events.includes(calendar.event)).map((expert) => expert.name)
  const asked = judged.filter(({ after: { desk } }) => desk !== undefined && concerned.includes(desk))
  const placed = { ...calendar, file: join(CASES_DIR, name, calendar.file) }
  const { numBurst, numTokens, trace = synthesizeTrace(numBurst, SEED) } = effort
  return measureBurst(
    fleet,
    placed,
    promptsOf(
      one,
      asked.map(({ question }) => question),
    ),
    burstOf(trace.slice(0, numBurst)),
    numTokens,
  )
}

/** Returns a trace's arrivals at the rate of a burst; its own bursts stay as they are. */
function burstOf(trace: readonly TracedRequest[]): readonly TracedRequest[] {
  const faster = (1000 * trace.length) / BURST_RATE / Math.max(1, trace.at(-1)!.arrivalMs)
  return trace.map((request) => ({ ...request, arrivalMs: request.arrivalMs * faster }))
}
