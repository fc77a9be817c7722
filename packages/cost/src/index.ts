export { type ArticleFigure, judgeFigure, type OurFigure } from "./articles/ArticleFigure.ts"
export { ARTICLE_FIGURES } from "./articles/articleFigures.ts"
export { estimateServing } from "./model/estimateServing.ts"
export { estimateTraining } from "./model/estimateTraining.ts"
export { fitTokenTime } from "./model/fitTokenTime.ts"
export { costPerMillionTokens, type Hardware, usdPerHourAll } from "./model/Hardware.ts"
export {
  activeParameters,
  denseOfSameSize,
  expertBytesPerToken,
  expertsTouched,
  type ModelShape,
  totalParameters,
  weightBytesPerStep,
} from "./model/ModelShape.ts"
export { shapeOfModel } from "./model/shapeOfModel.ts"
export { parseBudgets } from "./budget/Budget.ts"
export type { BudgetUse } from "./budget/checkBudget.ts"
export { describeRefusal, describeUse } from "./budget/describeUse.ts"
export { type Accounts, createAccounts } from "./budget/createAccounts.ts"
export { keyIdOf } from "./ledger/keyIdOf.ts"
export {
  type Account,
  type Dimension,
  DIMENSIONS,
  type EntryFilter,
  type LedgerEntry,
  type LedgerStore,
  type Spend,
} from "./ledger/LedgerEntry.ts"
export { type Ledger, openLedger } from "./ledger/openLedger.ts"
export { openSqliteStore } from "./ledger/openSqliteStore.ts"
export type { SparseRates } from "./savings/denseFactors.ts"
export { type Saving, savedAgainstDense, savedAgainstStrongest, strongestPrice } from "./savings/estimateSavings.ts"
export { parseTokenPrice, type TokenCounts, tokenCostUsd, type TokenPrice } from "./TokenPrice.ts"
