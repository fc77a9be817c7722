import type { Budget } from "./Budget.ts"

/** A budget, and how much of it one name has used in the present period. */
export interface BudgetUse {
  readonly budget: Budget
  readonly name: string
  readonly spentUsd: number
  /** By requests that run: what each may come to at most. */
  readonly reservedUsd: number
}

export type BudgetDecision =
  | { readonly kind: "allowed"; readonly warnings: readonly BudgetUse[] }
  | { readonly kind: "refused"; readonly by: BudgetUse }

/**
 * Decides whether a request may run that costs `mostUsd` at most: what is spent, what is reserved and this together stay within every hard limit.
 *
 * So no limit is passed, however many run at once, as long as none costs more than it reserved.
 */
export function checkBudget(uses: readonly BudgetUse[], mostUsd: number): BudgetDecision {
  const wouldBe = ({ spentUsd, reservedUsd }: BudgetUse): number => spentUsd + reservedUsd + mostUsd
  const by = uses.find((use) => wouldBe(use) > use.budget.hardUsd)
  if (by !== undefined) return { kind: "refused", by }
  return { kind: "allowed", warnings: uses.filter((use) => wouldBe(use) > use.budget.softUsd) }
}
