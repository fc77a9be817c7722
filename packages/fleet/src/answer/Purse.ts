import type { Account, Accounts, BudgetUse, LedgerEntry } from "@consilium/cost"
import type { EngineUse } from "@consilium/serving"
import type { ExpertConfig } from "../config/FleetConfig.ts"
import type { AttemptRecord } from "../AttemptRecord.ts"

/** Who is paid. */
type Payee = Pick<Exclude<ExpertConfig, { readonly kind: "onnx" }>, "name" | "domain" | "model" | "price">

/** One request's account: each attempt is put aside for before it begins, and recorded when it ends. */
export interface Purse {
  /** Says whether an attempt at an expert may cost so much; remembers who refused. */
  allows(expert: Payee, mostUsd: number): boolean
  /** Puts aside for an attempt; undefined where a budget does not allow it any more. */
  reserve(expert: Payee, mostUsd: number): PaidAttempt | undefined
  /** Budgets beyond their soft limit, of the latest attempt. */
  readonly warnings: readonly BudgetUse[]
  /** The budget that refused last. */
  readonly refusedBy: BudgetUse | undefined
}

interface PaidAttempt {
  /**
   * Records what it came to, whoever answered in the end.
   *
   * @param use  of an engine of ours; undefined where none of ours was asked
   * @param atMs when, in ms since 1970
   */
  settle(record: AttemptRecord, use: EngineUse | undefined, atMs: number): void
}

/**
 * Opens a request's account.
 *
 * @param account who asks; without a domain attempts go on their expert's
 */
export function createPurse(
  accounts: Accounts,
  requestId: string,
  account: Pick<Account, "key" | "agent" | "domain">,
): Purse {
  let warnings: readonly BudgetUse[] = []
  let refusedBy: BudgetUse | undefined
  const accountOf = ({ name, domain, model }: Payee): Account => ({
    key: account.key,
    agent: account.agent,
    domain: account.domain === "" ? domain : account.domain,
    expert: name,
    model,
  })
  return {
    get warnings() {
      return warnings
    },
    get refusedBy() {
      return refusedBy
    },
    allows(expert, mostUsd) {
      const decision = accounts.check(accountOf(expert), mostUsd)
      if (decision.kind === "refused") refusedBy = decision.by
      return decision.kind === "allowed"
    },
    reserve(expert, mostUsd) {
      const paying = accountOf(expert)
      const place = accounts.reserve(paying, mostUsd)
      if (place.kind === "refused") {
        refusedBy = place.by
        return undefined
      }
      warnings = place.warnings
      return {
        settle: (record, use = NOTHING_OF_OURS, atMs) =>
          place.settle([{ ...entryOf(record), ...use, ...paying, requestId, atMs, price: expert.price }]),
      }
    },
  }
}

const OUTCOMES: Partial<Record<AttemptRecord["outcome"], LedgerEntry["outcome"]>> = {
  answered: "done",
  interrupted: "cancelled",
}

/** An endpoint's time and reads are its own matter. */
const NOTHING_OF_OURS: EngineUse = { numTogether: 1, expertBytes: 0, cpuMs: 0 }

function entryOf({
  outcome,
  ms,
  promptTokens,
  cachedTokens,
  generatedTokens,
  costUsd,
}: AttemptRecord): Omit<LedgerEntry, "requestId" | "atMs" | "price" | keyof Account | keyof EngineUse> {
  return {
    outcome: OUTCOMES[outcome] ?? "failed",
    promptTokens,
    cachedTokens,
    generatedTokens,
    costUsd,
    durationMs: ms,
  }
}
