import type { Account, LedgerEntry } from "../ledger/LedgerEntry.ts"
import type { Ledger } from "../ledger/openLedger.ts"
import { type Budget, periodStartMs } from "./Budget.ts"
import { type BudgetDecision, type BudgetUse, checkBudget } from "./checkBudget.ts"

/** What a request has put aside. */
interface Reservation {
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
export function createAccounts(
  ledger: Pick<Ledger, "record" | "spend">,
  budgets: readonly Budget[],
  nowMs: () => number = Date.now,
): Accounts {
  const purses = budgets.map((budget) => createPurse(budget, ledger, nowMs))
  const placesOf = (account: Account): readonly Place[] =>
    purses.filter((purse) => purse.concerns(account)).map((purse) => ({ purse, name: purse.nameOf(account) }))
  const check = (places: readonly Place[], mostUsd: number): BudgetDecision =>
    checkBudget(
      places.map(({ purse, name }) => purse.useOf(name)),
      mostUsd,
    )
  return {
    check: (account, mostUsd) => check(placesOf(account), mostUsd),
    reserve(account, mostUsd) {
      const places = placesOf(account)
      const decision = check(places, mostUsd)
      if (decision.kind === "refused") return decision
      for (const { purse, name } of places) purse.putAside(name, mostUsd)
      let isSettled = false
      return {
        ...decision,
        settle(entries) {
          if (isSettled) return
          isSettled = true
          for (const { purse, name } of places) purse.giveBack(name, mostUsd)
          for (const entry of entries) {
            for (const purse of purses) if (purse.concerns(entry)) purse.pay(entry)
            ledger.record(entry)
          }
        },
      }
    },
  }
}

/** A budget that a request concerns, and the name that it goes by there. */
interface Place {
  readonly purse: ReturnType<typeof createPurse>
  readonly name: string
}

interface NameUse {
  spentUsd: number
  reservedUsd: number
  numRunning: number
}

/** One budget's names, what they spent in the present period, and what they put aside. */
function createPurse(budget: Budget, ledger: Pick<Ledger, "spend">, nowMs: () => number) {
  const { dimension } = budget
  let startMs = Number.NaN
  let uses = new Map<string, NameUse>()

  const known = (name: string): string => (uses.has(name) || uses.size < MAX_NAMES ? name : "")
  const open = (name: string): NameUse => {
    const use = uses.get(name) ?? { spentUsd: 0, reservedUsd: 0, numRunning: 0 }
    uses.set(name, use)
    return use
  }
  /** Begins anew with a new period; what runs takes along what it put aside. */
  const refresh = (): void => {
    const now = periodStartMs(budget.period, nowMs())
    if (now === startMs) return
    startMs = now
    const running = [...uses].filter(([, { numRunning }]) => numRunning > 0)
    uses = new Map(running.map(([name, use]) => [name, { ...use, spentUsd: 0 }]))
    const where = budget.name === undefined ? {} : { [dimension]: budget.name }
    for (const { name, costUsd } of ledger.spend({ by: dimension, fromMs: startMs, where }))
      open(known(name)).spentUsd += costUsd
  }
  refresh()
  return {
    concerns: (account: Account) => budget.name === undefined || budget.name === account[dimension],
    /** Stays its name for as long as it runs. */
    nameOf(account: Account): string {
      refresh()
      return known(account[dimension])
    },
    useOf(name: string): BudgetUse {
      const { spentUsd = 0, reservedUsd = 0 } = uses.get(name) ?? {}
      return { budget, name, spentUsd, reservedUsd }
    },
    putAside(name: string, usd: number): void {
      const use = open(name)
      use.reservedUsd += usd
      use.numRunning++
    },
    giveBack(name: string, usd: number): void {
      const use = uses.get(name)!
      use.numRunning--
      // Sums of floats leave dust: the last takes it along.
      use.reservedUsd = use.numRunning === 0 ? 0 : use.reservedUsd - usd
    },
    /** Before the entry is recorded: a period that begins now reads the ledger. */
    pay(entry: LedgerEntry): void {
      refresh()
      if (entry.atMs < startMs) return
      open(known(entry[dimension])).spentUsd += entry.costUsd
    },
  }
}
