import { readableBytes } from "../progressBar.ts"
import type { ControlResult, EngineState, ExpertChange, ExpertReport, ResidencyReport } from "@consilium/serving"

/** Changes that are of many experts, or of none. */
const TOGETHER: ReadonlySet<ExpertChange["change"]> = new Set(["engine", "scaled", "woken", "slept", "device"])

/** What a frame shows. */
export interface TopView {
  readonly modelId: string
  readonly state: EngineState
  /** Undefined while there is no engine. */
  readonly experts: Extract<ControlResult, { readonly kind: "experts" }> | undefined
  /** Tokens a second since the frame before. */
  readonly tokensPerSec: number | undefined
  /** The latest last. */
  readonly changes: readonly ExpertChange[]
}

export interface TopSize {
  readonly columns: number
  readonly rows: number
}

const LEVELS = " ·▁▂▃▄▅▆▇█"
const NUM_CHANGES = 6
const RESET = "\u001b[0m"
/** Colours by state: asleep is dim, failed red, draining yellow, waking cyan. */
const COLOURS: Readonly<Record<ExpertReport["state"], string>> = {
  awake: "\u001b[32m",
  asleep: "\u001b[2m",
  waking: "\u001b[36m",
  draining: "\u001b[33m",
  failed: "\u001b[1;31m",
}

/** Returns a frame, as many lines as the terminal has at most. Load is a bar's height, state its colour. */
export function renderTop(view: TopView, size: TopSize): string[] {
  const { experts } = view
  const head = [
    headline(view).slice(0, size.columns),
    ...(experts === undefined ? [] : [memoryLine(experts.residency, size.columns), ...totals(experts)]),
  ]
  const tail = view.changes.slice(-NUM_CHANGES).map((change) => describeChange(change).slice(0, size.columns))
  const room = size.rows - head.length - tail.length - 4
  const map = experts === undefined ? [] : heatMap(experts.experts, size.columns, Math.max(1, room))
  return [...head, "", ...map, "", ...tail, "q quits"].slice(0, size.rows)
}

function headline({ modelId, state, tokensPerSec }: TopView): string {
  if (state.phase !== "ready")
    return `${modelId}: ${state.phase}${state.phase === "failed" ? `: ${state.message}` : ""}`
  const { backend, format, numRunning, numWaiting, numSlots, residentBytes } = state.status
  const rate = tokensPerSec === undefined ? "" : `, ${tokensPerSec.toFixed(0)} tok/s`
  return `${modelId} (${backend}, ${format}): ${numRunning} of ${numSlots} streams, ${numWaiting} wait${rate}, process ${readableBytes(residentBytes)}`
}

function memoryLine(
  { usedBytes, budgetBytes }: { readonly usedBytes: number; readonly budgetBytes: number },
  columns: number,
): string {
  const label = ` ${readableBytes(usedBytes)} of ${readableBytes(budgetBytes)}`
  const width = Math.max(10, Math.min(40, columns - label.length - 10))
  const share = budgetBytes === 0 ? 0 : Math.min(1, usedBytes / budgetBytes)
  return `experts ${"█".repeat(Math.round(share * width)).padEnd(width, "░")}${label}`
}

function totals({ experts, residency, versions }: NonNullable<TopView["experts"]>): string[] {
  const count = (state: ExpertReport["state"]): number => experts.filter((expert) => expert.state === state).length
  const states = (["awake", "waking", "asleep", "draining", "failed"] as const)
    .filter((state) => count(state) > 0)
    .map((state) => `${COLOURS[state]}${count(state)} ${state}${RESET}`)
  const canary = versions.canary === null ? "" : `, canary at ${(versions.canary.share * 100).toFixed(0)} %`
  const busy = experts.reduce((sum, { timeShare }) => sum + timeShare, 0)
  return [
    `${states.join(", ")}, computing ${(busy * 100).toFixed(0)} % of the time; versions ${versions.versions.length}${canary}`,
    balanceLine(residency),
    ...gpuLines(residency),
    `woken ${residency.numWoken}, read ${readableBytes(residency.readBytes)} (${readableBytes(residency.aheadBytes)} ahead), steps waited ${(residency.waitMs / 1000).toFixed(1)} s`,
  ]
}

/** What lies in a GPU's memory; nothing where there is none. */
function gpuLines({ gpu, numExperts }: ResidencyReport): readonly string[] {
  if (gpu === null) return []
  const { adapter, state, usedBytes, budgetBytes, numExperts: numHeld, reason = "" } = gpu
  if (state === "away") return [`gpu ${adapter} ${COLOURS.failed}away${RESET}: ${reason}`]
  const most = budgetBytes === null ? "" : ` of ${readableBytes(budgetBytes)}`
  const share = `${numHeld} of ${numExperts} experts`
  return [`gpu ${adapter}${state === "returning" ? " returning" : ""}: ${share}, ${readableBytes(usedBytes)}${most}`]
}

/** What routing by load gains, and what it costs. */
function balanceLine({
  routing,
  drift,
  imbalance,
  plainImbalance,
  numDomains,
  domainBalance,
}: ResidencyReport): string {
  const domains = numDomains === 1 ? "" : `, of ${numDomains} memory domains ${(1 / domainBalance).toFixed(1)}`
  if (routing === "exact") return `imbalance ${imbalance.toFixed(1)}${domains}`
  const costs = `${(drift.moved * 100).toFixed(1)} % elsewhere, KL ${drift.kl.toFixed(3)}`
  return `imbalance ${imbalance.toFixed(1)} instead of ${plainImbalance.toFixed(1)} by ${routing} routing: ${costs}${domains}`
}

/** A row for each layer, a cell for each expert; where there are more than fit, a cell is several, shown by their busiest. */
function heatMap(experts: readonly ExpertReport[], columns: number, rows: number): string[] {
  const layers = [...new Set(experts.map(({ layer }) => layer))]
  const most = experts.reduce((largest, { load }) => Math.max(largest, load), 0)
  const shown = layers.slice(0, rows)
  const lines = shown.map((layer) => {
    const own = experts.filter((expert) => expert.layer === layer)
    const perCell = Math.ceil(own.length / Math.max(1, columns - 8))
    const cells = Array.from({ length: Math.ceil(own.length / perCell) }, (_, cell) =>
      cellOf(own.slice(cell * perCell, (cell + 1) * perCell), most),
    )
    return `${String(layer).padStart(5)}  ${cells.join("")}`
  })
  return shown.length < layers.length ? [...lines, `       … ${layers.length - shown.length} more layers`] : lines
}

const GRAVITY: readonly ExpertReport["state"][] = ["failed", "draining", "waking", "awake", "asleep"]

function cellOf(experts: readonly ExpertReport[], most: number): string {
  const load = experts.reduce((largest, expert) => Math.max(largest, expert.load), 0)
  const state = GRAVITY.find((of) => experts.some((expert) => expert.state === of))!
  const level = most === 0 ? 0 : Math.ceil((load / most) * (LEVELS.length - 1))
  const mark = state === "failed" ? "✗" : state === "asleep" && level === 0 ? "." : LEVELS[level]
  return `${COLOURS[state]}${mark}${RESET}`
}

function describeChange({ atMs, layer, expert, change, detail }: ExpertChange): string {
  const time = new Date(atMs).toTimeString().slice(0, 8)
  const where = TOGETHER.has(change) ? "" : `layer ${layer} expert ${expert} `
  return `${time} ${where}${change}: ${detail}`
}
