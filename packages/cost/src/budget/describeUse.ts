import type { BudgetUse } from "./checkBudget.ts"

/** Returns a budget's use in words that may stand in a header: nothing but printable ASCII. */
export function describeUse({ budget, name, spentUsd, reservedUsd }: BudgetUse): string {
  const { dimension, period, softUsd, hardUsd } = budget
  const who = name === "" ? `no ${dimension}` : `${dimension} ${encodeURIComponent(name)}`
  return `${who}: ${spentUsd.toFixed(4)} USD spent and ${reservedUsd.toFixed(4)} reserved of ${softUsd} (soft), ${hardUsd} (hard) this ${period}`
}

/** Returns what a client is told whose request a budget does not allow. */
export function describeRefusal(use: BudgetUse): string {
  return `The budget does not allow this request: ${describeUse(use)}. Ask for fewer tokens (max_tokens), or wait.`
}
