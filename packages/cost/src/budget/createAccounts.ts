import type { Account, LedgerEntry } from "../ledger/LedgerEntry.ts"
import type { Ledger } from "../ledger/openLedger.ts"
import { type Budget, periodStartMs } from "./Budget.ts"
import { type BudgetDecision, type BudgetUse, checkBudget } from "./checkBudget.ts"

/** What a request has put aside. */
export interface Reservation {
  /** Records what it came to, its attempts each for itself, and gives back what it put aside. Only the first call counts; without entries it cost nothing. */
  settle(entries: readonly LedgerEntry[]): void
}

type Refused = Extract<BudgetDecision, { readonly kind: "refused" }>
type Allowed = Extract<BudgetDecision, { readonly kind: "allowed" }>

/** Reserves before requests and settles after them, so that those that run at once do not pass a limit together. */
export interface Accounts {
  /** Says what `reserve` would, and puts nothing aside. */
  check(account: Account, mostUsd: number): BudgetDecision
  /** @param mostUsd what the request costs at most */
  reserve(account: Account, mostUsd: number): Refused | (Allowed & Reservation)
}

/** Names come from clients: those beyond so many in a period share one account. */
const MAX_NAMES = 100_000

/**
 * Keeps accounts by a ledger's entries.
 *
 * What was spent is read when it begins and with each new period, and counted from then on: entries that are recorded past these accounts are not seen
 * before. Budgets see as far back as the ledger does.
 */
export function createAccounts(ledger: Ledger, budgets: readonly Budget[], nowMs: () => number = Date.now): Accounts {
  const purses = budgets.map((budget) => createPurse(budget, ledger, nowMs))
  const concernedBy = (account: Account) => purses.filter((purse) => purse.concerns(account))
  const check = (account: Account, mostUsd: number): BudgetDecision =>
    checkBudget(
      concernedBy(account).map((purse) => purse.useOf(account)),
      mostUsd,
    )
  return {
    check,
    reserve(account, mostUsd) {
      const concerned = concernedBy(account)
      const decision = check(account, mostUsd)
      if (decision.kind === "refused") return decision
      for (const purse of concerned) purse.putAside(account, mostUsd)
      let isSettled = false
      return {
        ...decision,
        settle(entries) {
          if (isSettled) return
          isSettled = true
          for (const purse of concerned) purse.giveBack(account, mostUsd)
          for (const entry of entries) {
            for (const purse of purses) if (purse.concerns(entry)) purse.pay(entry)
            ledger.record(entry)
          }
        },
      }
    },
  }
}

/** One budget's names, and what they spent in the present period. */
function createPurse(budget: Budget, ledger: Ledger, nowMs: () => number) {
  const { dimension } = budget
  let startMs = Number.NaN
  let spent = new Map<string, number>()
  const aside = new Map<string, { usd: number; count: number }>()

  /** Begins anew with a new period. */
  const current = (): Map<string, number> => {
    const now = periodStartMs(budget.period, nowMs())
    if (now === startMs) return spent
    startMs = now
    const where = budget.name === undefined ? {} : { [dimension]: budget.name }
    const spends = ledger.spend({ by: dimension, fromMs: startMs, where })
    spent = new Map(spends.slice(0, MAX_NAMES).map(({ name, costUsd }) => [name, costUsd]))
    return spent
  }
  const nameIn = (names: ReadonlyMap<string, number>, account: Account): string => {
    const name = account[dimension]
    return names.has(name) || names.size < MAX_NAMES ? name : ""
  }
  current()
  return {
    concerns: (account: Account) => budget.name === undefined || budget.name === account[dimension],
    useOf(account: Account): BudgetUse {
      const names = current()
      const name = nameIn(names, account)
      return { budget, name, spentUsd: names.get(name) ?? 0, reservedUsd: aside.get(account[dimension])?.usd ?? 0 }
    },
    putAside(account: Account, usd: number): void {
      const { usd: before, count } = aside.get(account[dimension]) ?? { usd: 0, count: 0 }
      aside.set(account[dimension], { usd: before + usd, count: count + 1 })
    },
    giveBack(account: Account, usd: number): void {
      const { usd: before, count } = aside.get(account[dimension])!
      // Sums of floats leave dust: the last takes it along.
      if (count === 1) aside.delete(account[dimension])
      else aside.set(account[dimension], { usd: before - usd, count: count - 1 })
    },
    /** Before the entry is recorded: a period that begins now reads the ledger. */
    pay(entry: LedgerEntry): void {
      const names = current()
      if (entry.atMs < startMs) return
      const name = nameIn(names, entry)
      names.set(name, (names.get(name) ?? 0) + entry.costUsd)
    },
  }
}
