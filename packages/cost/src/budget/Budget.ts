import { type Dimension, DIMENSIONS } from "../ledger/LedgerEntry.ts"

const PERIODS = ["hour", "day", "month"] as const
export type Period = (typeof PERIODS)[number]

/** What may be spent on one name of a dimension in a period. */
export interface Budget {
  readonly dimension: Dimension
  /** Each name for itself unless given; whoever gives none shares one. */
  readonly name: string | undefined
  readonly period: Period
  /** Beyond it requests are served with a warning. */
  readonly softUsd: number
  /** Beyond it they are refused. */
  readonly hardUsd: number
}

/** Returns when the period began that `atMs` is in, in UTC. */
export function periodStartMs(period: Period, atMs: number): number {
  const date = new Date(atMs)
  const [year, month, day, hour] = [date.getUTCFullYear(), date.getUTCMonth(), date.getUTCDate(), date.getUTCHours()]
  if (period === "month") return Date.UTC(year, month)
  return period === "day" ? Date.UTC(year, month, day) : Date.UTC(year, month, day, hour)
}

const BUDGET = /^(\w+)(?::([^=]+))?=([\d.]+),([\d.]+)\/(\w+)$/

/** Reads `key=4,5/day; agent:writer=1,2/month`: soft and hard limit in USD; undefined where it is something else. */
export function parseBudgets(text: string): readonly Budget[] | undefined {
  const budgets = text.split(";").map((part): Budget | undefined => {
    const [, dimensionText, name, soft, hard, periodText] = BUDGET.exec(part.trim()) ?? []
    const dimension = DIMENSIONS.find((other) => other === dimensionText)
    const period = PERIODS.find((other) => other === periodText)
    const [softUsd, hardUsd] = [Number(soft), Number(hard)]
    if (dimension === undefined || period === undefined || !(softUsd <= hardUsd)) return undefined
    return { dimension, name, period, softUsd, hardUsd }
  })
  return budgets.every((budget) => budget !== undefined) ? budgets : undefined
}
