import type { LedgerEntry } from "@consilium/cost"
import { Cause, Exit } from "effect"

/** Returns how a ledger calls the way a request ended. */
export function outcomeOf(exit: Exit.Exit<unknown, unknown>): LedgerEntry["outcome"] {
  if (Exit.isSuccess(exit)) return "done"
  return Cause.hasInterruptsOnly(exit.cause) ? "cancelled" : "failed"
}
