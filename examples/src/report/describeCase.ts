import { percentile } from "../measure/percentile.ts"
import { HARDWARE, UTILISATION } from "../measure/costOf.ts"
import type { JudgedQuestion } from "../answer/answerQuestions.ts"
import type { AnsweredBy } from "../answer/askDesks.ts"
import type { CaseResult } from "./CaseResult.ts"
import { type Figure, figuresOf, gainOf } from "./figuresOf.ts"

/** Writes a case's table and what else a reader needs to doubt it, as Markdown. */
export function describeCase(result: CaseResult): string {
  return [
    `## ${result.title}`,
    "",
    table(["", "claimed elsewhere", "", "measured here", "", "simulated"], figuresOf(result).map(figureRow)),
    "",
    ...describeSetting(result),
    "",
    "Resolved, by what a question takes:",
    "",
    table(["", "questions", "before", "after"], kindRows(result.questions)),
    "",
    ...describeRuns(result),
    ...describeBurst(result),
  ].join("\n")
}

function figureRow(figure: Figure): readonly string[] {
  const { name, claimed, measured, simulated } = figure
  const pair = (values: readonly [number, number] | undefined): readonly [string, string] =>
    values === undefined
      ? ["–", ""]
      : [values.map((value) => show(value, figure.unit)).join(" → "), gainOf(figure, values)]
  return [name, ...pair(claimed), ...pair(measured), simulated]
}

/** Writes a figure with its unit. */
export function show(value: number, unit: Figure["unit"]): string {
  switch (unit) {
    case "ms":
      return `${Math.round(value).toLocaleString("en-US")} ms`
    case "%":
      return `${Math.round(value)} %`
    case "streams":
      return String(value)
    case "$":
      return `$${value >= 0.1 ? value.toFixed(2) : value.toPrecision(2)}`
  }
}

function describeSetting({ before, after, questions }: CaseResult): readonly string[] {
  const millions = (count: number): string => `${(count / 1e6).toFixed(1)} M`
  return [
    `Before: one dense model, ${millions(before.numParameters)} weights, all of them used by a token. After: a fleet of ${millions(after.numParameters)}, ${millions(after.numActiveParameters)} used by a token, ` +
      "router included. Same vocabulary, same prompts, same machine, in turns. The resolved share: the small model alone before, with routing, tools and documents after.",
    `Cost: $${HARDWARE.usdPerHour.toFixed(2)} an hour and ${HARDWARE.powerWatts} W, working ${100 * UTILISATION} % of the time (assumed), at the measured rate of the streams above. ${questions.length} fixed questions.`,
  ]
}

function kindRows(questions: readonly JudgedQuestion[]): readonly (readonly string[])[] {
  const row = (name: string, of: readonly JudgedQuestion[]): readonly string[] => [
    name,
    String(of.length),
    ...(["before", "after"] as const).map((when) => `${of.filter((judged) => judged[when].isResolved).length}`),
  ]
  const kinds = [...new Set(questions.map(({ question }) => question.kind))]
  return [
    ...kinds.map((kind) =>
      row(
        kind,
        questions.filter(({ question }) => question.kind === kind),
      ),
    ),
    row(
      "worded freshly",
      questions.filter(({ question }) => question.isFresh),
    ),
    row("all", questions),
  ]
}

function describeRuns({ questions }: CaseResult): readonly string[] {
  const by = (who: AnsweredBy): readonly JudgedQuestion[] => questions.filter(({ after }) => after.by === who)
  const shares = (["rule", "record", "document", "model"] as const).map((who) => {
    const answered = by(who)
    return `${who} ${answered.filter(({ after }) => after.isResolved).length} of ${answered.length}`
  })
  const routed = questions.filter(({ after }) => after.desk !== undefined)
  const right = routed.filter(({ question, after }) => question.desk === after.desk).length
  const ms = questions.map(({ after }) => after.ms)
  const steps = questions.reduce((sum, { after }) => sum + after.numSteps, 0) / questions.length
  return [
    `Resolved after, by who found the answer: ${shares.join(", ")}.`,
    `The router found the right desk for ${right} of ${routed.length}. A whole run of the agent, tools included: p50 ${show(percentile(ms, 0.5), "ms")}, p95 ${show(percentile(ms, 0.95), "ms")}, ${steps.toFixed(1)} steps.`,
  ]
}

function describeBurst({ burst }: CaseResult): readonly string[] {
  if (burst === undefined) return []
  const { asleepMs, preWokenMs, woken } = burst
  const p95 = (ms: readonly number[]): string => show(percentile(ms, 0.95), "ms")
  const first = (ms: readonly number[]): string => show(ms[0]!, "ms")
  return [
    "",
    `A burst of ${asleepMs.length} requests when the event begins: p95 ${p95(asleepMs)}, first answer after ${first(asleepMs)} where experts sleep; ` +
      `p95 ${p95(preWokenMs)}, first answer after ${first(preWokenMs)} where the calendar has woken ${woken.join(", ")} (simulated: the clock before the event).`,
  ]
}

/** A Markdown table, padded so that a terminal shows it well. */
function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  const widths = head.map((cell, i) => Math.max(3, cell.length, ...rows.map((row) => row[i]!.length)))
  const line = (row: readonly string[]): string => `| ${row.map((cell, i) => cell.padEnd(widths[i]!)).join(" | ")} |`
  return [line(head), `| ${widths.map((width) => "-".repeat(width)).join(" | ")} |`, ...rows.map(line)].join("\n")
}
