import {
  type Dimension,
  DIMENSIONS,
  type EntryFilter,
  type LedgerStore,
  type ModelShape,
  type Saving,
  savedAgainstDense,
  savedAgainstStrongest,
  type Spend,
  strongestPrice,
  type TokenPrice,
} from "@consilium/cost"
import type { FoundRates } from "./readSparseRates.ts"

/** What was spent, and what was saved. */
export interface CostReport {
  readonly total: Spend | undefined
  readonly by: Partial<Record<Dimension, readonly Spend[]>>
  /** Against all requests to one model of that price; undefined where nothing would have been paid. */
  readonly strongest: { readonly price: TokenPrice; readonly saving: Saving } | undefined
  /** Against a dense model of the same size on the same machine; `measured` says by whose rates, undefined: ideal ones. */
  readonly dense:
    | { readonly modelId: string; readonly measured: Omit<FoundRates, "rates"> | undefined; readonly saving: Saving }
    | undefined
  /** The model that would be compared with a dense one, and is not on this machine. */
  readonly missingModel: string | undefined
}

export interface ReportOptions {
  readonly filter: EntryFilter
  /** All unless given. */
  readonly by: Dimension | undefined
  /** The dearest in the ledger unless given. */
  readonly strongest: TokenPrice | undefined
  /** The model that is compared with a dense one. */
  readonly modelId: string
  /** Undefined where it is not on this machine. */
  readonly shape: ModelShape | undefined
  readonly found: FoundRates | undefined
}

/** Adds up a ledger, and compares it with what it would have cost otherwise. */
export function reportCosts(
  ledger: LedgerStore,
  { filter, by, strongest, modelId, shape, found }: ReportOptions,
): CostReport {
  const price = strongest ?? strongestPrice(ledger.entries(filter))
  const ofStrongest = price && savedAgainstStrongest(ledger.entries(filter), price)
  const ofModel = ledger.entries({ ...filter, where: { model: modelId } })
  const isSparse = shape !== undefined && shape.numMoeLayers > 0
  const ofDense = isSparse ? savedAgainstDense(ofModel, shape, found?.rates) : undefined
  const dimensions = by === undefined ? DIMENSIONS : [by]
  const measured = found && { path: found.path, date: found.date, who: found.who }
  return {
    total: ledger.spend(filter)[0],
    by: Object.fromEntries(dimensions.map((dimension) => [dimension, ledger.spend({ ...filter, by: dimension })])),
    strongest: price && ofStrongest && { price, saving: ofStrongest },
    dense: ofDense && { modelId, measured, saving: ofDense },
    missingModel: shape === undefined ? modelId : undefined,
  }
}
