import type { Saving, Spend } from "@consilium/cost"
import { readableBytes } from "../progressBar.ts"
import type { CostReport } from "./reportCosts.ts"

const HEAD = ["requests", "prompt", "cached", "answers", "experts read", "CPU", "cost"]

/** Lays a report out for a terminal. */
export function renderCosts({ total, by, strongest, dense, missingModel }: CostReport): readonly string[] {
  if (total === undefined) return ["no requests"]
  const spends = Object.entries(by).flatMap(([dimension, spends]) => [
    [`by ${dimension}`, ...HEAD],
    ...spends.map(rowOf),
  ])
  const rows = [["", ...HEAD], rowOf({ ...total, name: "all" }), ...spends]
  const widths = rows[0]!.map((_, column) => Math.max(...rows.map((row) => row[column]!.length)))
  const table = rows.flatMap((row, r) => {
    const line = row.map((cell, c) => (c === 0 ? cell.padEnd(widths[c]!) : cell.padStart(widths[c]!))).join("  ")
    return r > 0 && row[1] === HEAD[0] ? ["", line] : [line]
  })
  return [
    ...table,
    "",
    strongest === undefined
      ? "against all to the strongest model: nothing to compare, no request was answered at a price"
      : `against all to the strongest model ($${strongest.price.inputUsdPerMillion} in, $${strongest.price.outputUsdPerMillion} out per 1 M tokens): ${describe(strongest.saving)}`,
    denseLine(dense, missingModel),
  ]
}

function denseLine(dense: CostReport["dense"], missingModel: string | undefined): string {
  if (missingModel !== undefined)
    return `against dense of the same size: not compared, ${missingModel} is not on this machine (name another by --model, or bring it here by consilium prepare)`
  return dense === undefined
    ? "against dense of the same size: nothing to compare, the model has no answered requests at a price, or no experts"
    : `against dense of ${dense.modelId}'s size (${ratesOf(dense.measured)}): ${describe(dense.saving)}`
}

function rowOf(spend: Spend): string[] {
  const { name, numRequests, promptTokens, cachedTokens, generatedTokens, expertBytes, cpuMs, costUsd } = spend
  return [
    name === "" ? "–" : name,
    ...[numRequests, promptTokens, cachedTokens, generatedTokens].map((count) => count.toLocaleString("en-US")),
    readableBytes(expertBytes),
    `${(cpuMs / 1000).toFixed(1)} s`,
    usd(costUsd),
  ]
}

const usd = (amount: number): string => `$${amount >= 1 ? amount.toFixed(2) : amount.toPrecision(3)}`
const percent = (share: number): string => `${(share * 100).toFixed(1)} %`

function describe({ numRequests, actualUsd, insteadUsd, saved: { value, p10, p90 } }: Saving): string {
  return `saved ${percent(value)} (${percent(p10)} to ${percent(p90)}, p10–p90), ${usd(actualUsd)} instead of ${usd(insteadUsd)} for ${numRequests} answered requests`
}

function ratesOf(measured: NonNullable<CostReport["dense"]>["measured"]): string {
  return measured === undefined
    ? "not measured on this machine: ideal rates"
    : `rates of ${measured.who}, measured ${measured.date}`
}
