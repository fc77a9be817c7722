import type { TracedRequest } from "@consilium/benchmarks/load"
import { planWakes } from "@consilium/fleet"
import { parseCalendar } from "@consilium/scheduling"
import type { ChatMessage } from "@consilium/serving"
import { Effect } from "effect"
import { readFileSync } from "node:fs"
import { setTimeout as sleep } from "node:timers/promises"
import type { CaseCalendar } from "../Case.ts"
import { type CaseFleet, wakeAll } from "./openCaseFleet.ts"

/** How a burst was answered: milliseconds of each request, waiting included, in order of arrival. */
export interface Burst {
  readonly asleepMs: readonly number[]
  readonly preWokenMs: readonly number[]
  /** Whom the calendar woke. */
  readonly woken: readonly string[]
}

/** So much before the event the plan is made: what the service does each minute. */
const LEAD_MS = 60_000

/**
 * Replays a burst twice, to experts that sleep when it comes, and to experts that the calendar has woken before.
 *
 * The clock that the plan sees is simulated: it stands a minute before the event. The burst itself runs in real time.
 */
export async function measureBurst(
  fleet: CaseFleet,
  { file, beginsAt }: CaseCalendar,
  prompts: readonly (readonly ChatMessage[])[],
  trace: readonly TracedRequest[],
  numTokens: number,
): Promise<Burst> {
  await sleepAll(fleet)
  const asleepMs = await replay(fleet, prompts, trace, numTokens)
  await sleepAll(fleet)
  const woken = planned(fleet, file, Date.parse(beginsAt) - LEAD_MS)
  await wakeAll(fleet.fleet, woken)
  const preWokenMs = await replay(fleet, prompts, trace, numTokens)
  await wakeAll(fleet.fleet, fleet.experts)
  return { asleepMs, preWokenMs, woken }
}

/** Returns the experts that the calendar wants awake; nobody has been asked before, so that the forecast wants none. */
function planned({ fleet, experts }: CaseFleet, file: string, nowMs: number): readonly string[] {
  const calendar = parseCalendar(JSON.parse(readFileSync(file, "utf8")), file)
  const candidates = fleet.config.experts
    .filter(({ name }) => experts.includes(name))
    .map(({ name, events }) => ({ name, events, isAwake: false, requests: [] }))
  return planWakes(candidates, calendar, nowMs)
}

async function sleepAll({ fleet, experts }: CaseFleet): Promise<void> {
  for (const name of experts) await Effect.runPromise(fleet.locals.engineOf(name).sleep)
}

/** Sends requests when they are due, whatever became of those before. */
async function replay(
  { answer }: CaseFleet,
  prompts: readonly (readonly ChatMessage[])[],
  trace: readonly TracedRequest[],
  numTokens: number,
): Promise<readonly number[]> {
  const began = performance.now()
  return Promise.all(
    trace.map(async ({ arrivalMs }, i) => {
      await sleep(arrivalMs)
      await answer(prompts[i % prompts.length]!, numTokens)
      return performance.now() - began - arrivalMs
    }),
  )
}
