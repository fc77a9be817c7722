import type { Measurement } from "../Suite.ts"
import type { Outcome, Replay } from "./replayTrace.ts"

/** When an answer is good: soon begun, and written at a reader's pace. */
export interface ServiceLevel {
  readonly ttftMs: number
  readonly tpotMs: number
}

/** What a client sees of one answer. */
interface Seen {
  /** From when the request was due. */
  readonly ttftMs: number
  /** Time per output token after the first; undefined where there was only one. */
  readonly tpotMs: number | undefined
  readonly numTokens: number
  readonly gapsMs: readonly number[]
}

/**
 * Turns what became of a load into measurements: waiting, pace, throughput, and goodput, the share of all requests that were answered
 * within the service level. What failed or was not finished in time counts against it.
 */
export function scoreLoad(
  { outcomes, elapsedMs }: Replay,
  level: ServiceLevel,
  contender: string,
): readonly Measurement[] {
  const seen = outcomes.flatMap((outcome) => (outcome.kind === "answered" ? [see(outcome)] : []))
  const numGood = seen.filter((answer) => isGood(answer, level)).length
  const paces = seen.flatMap(({ tpotMs }) => (tpotMs === undefined ? [] : [tpotMs]))
  const numTokens = seen.reduce((sum, answer) => sum + answer.numTokens, 0)
  const perSec = (count: number): number => (count / elapsedMs) * 1000
  const all: Measurement[] = [
    { name: "time to first token", contender, unit: "ms", samples: seen.map(({ ttftMs }) => ttftMs) },
    { name: "time per output token", contender, unit: "ms", samples: paces },
    { name: "time between pieces of text", contender, unit: "ms", samples: seen.flatMap(({ gapsMs }) => gapsMs) },
    { name: "one stream", contender, unit: "tok/s", samples: paces.map((tpotMs) => 1000 / tpotMs) },
    { name: "all together", contender, unit: "tok/s", samples: [perSec(numTokens)], note: `${numTokens} tokens` },
    {
      name: "goodput",
      contender,
      unit: "%",
      samples: [(100 * numGood) / outcomes.length],
      note: `first token within ${level.ttftMs} ms, then ${level.tpotMs} ms a token: ${numGood} of ${describe(outcomes)}`,
    },
    { name: "goodput", contender, unit: "req/s", samples: [perSec(numGood)] },
  ]
  return all.filter(({ samples }) => samples.length > 0)
}

function see({ lateMs, timing }: Extract<Outcome, { kind: "answered" }>): Seen {
  const { firstTokenMs, arrivalsMs, numTokens } = timing
  const writingMs = arrivalsMs.at(-1)! - firstTokenMs
  return {
    ttftMs: lateMs + firstTokenMs,
    tpotMs: numTokens > 1 && arrivalsMs.length > 1 ? writingMs / (numTokens - 1) : undefined,
    numTokens,
    gapsMs: arrivalsMs.slice(1).map((ms, i) => ms - arrivalsMs[i]!),
  }
}

function isGood({ ttftMs, tpotMs = 0 }: Seen, level: ServiceLevel): boolean {
  return ttftMs <= level.ttftMs && tpotMs <= level.tpotMs
}

/** `64 requests, 2 failed, 1 unfinished`. */
function describe(outcomes: readonly Outcome[]): string {
  const count = (kind: Outcome["kind"]): number => outcomes.filter((outcome) => outcome.kind === kind).length
  const parts = [`${outcomes.length} requests`]
  for (const kind of ["failed", "unfinished"] as const) if (count(kind) > 0) parts.push(`${count(kind)} ${kind}`)
  return parts.join(", ")
}
