export { type ArticleFigure, judgeFigure, type OurFigure, type Verdict } from "./articles/ArticleFigure.ts"
export { ARTICLE_FIGURES } from "./articles/articleFigures.ts"
export { estimateServing, type Load, type ServingEstimate } from "./model/estimateServing.ts"
export { estimateTraining, paybackMonths, type TrainingEstimate } from "./model/estimateTraining.ts"
export { fitTokenTime, type TokenTime } from "./model/fitTokenTime.ts"
export { costPerMillionTokens, type Hardware, joulesPerToken, usdPerHourAll } from "./model/Hardware.ts"
export {
  activeParameters,
  denseOfSameSize,
  expertBytes,
  expertsTouched,
  type ModelShape,
  residentBytes,
  totalParameters,
  weightBytesPerStep,
} from "./model/ModelShape.ts"
export { shapeOfModel } from "./model/shapeOfModel.ts"
export { type Budget, parseBudgets } from "./budget/Budget.ts"
export { type BudgetDecision, type BudgetUse, checkBudget } from "./budget/checkBudget.ts"
export { describeRefusal, describeUse } from "./budget/describeUse.ts"
export { type Accounts, createAccounts, type Reservation } from "./budget/createAccounts.ts"
export { keyIdOf } from "./ledger/keyIdOf.ts"
export {
  type Account,
  type Dimension,
  DIMENSIONS,
  type EntryFilter,
  type LedgerEntry,
  type LedgerStore,
  type Spend,
  type SpendQuery,
} from "./ledger/LedgerEntry.ts"
export { type Ledger, openLedger } from "./ledger/openLedger.ts"
export { openSqliteStore } from "./ledger/openSqliteStore.ts"
export type { Interval } from "./savings/bootstrap.ts"
export type { SparseRates } from "./savings/denseFactors.ts"
export { type Saving, savedAgainstDense, savedAgainstStrongest, strongestPrice } from "./savings/estimateSavings.ts"
export { parseTokenPrice, type TokenCounts, tokenCostUsd, type TokenPrice } from "./TokenPrice.ts"
