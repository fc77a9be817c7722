import { describe, expect, test } from "bun:test"
import fc from "fast-check"
import { entryOf } from "../../test/entries.ts"
import { createMemoryStore } from "../ledger/createMemoryStore.ts"
import { createLedger, openLedger } from "../ledger/openLedger.ts"
import { type Budget, parseBudgets, periodStartMs } from "./Budget.ts"
import { type BudgetUse, checkBudget } from "./checkBudget.ts"
import { type Accounts, createAccounts } from "./createAccounts.ts"

const DAY_MS = 86_400_000
const daily = (given: Partial<Budget> = {}): Budget => ({
  dimension: "key",
  name: undefined,
  period: "day",
  softUsd: 4,
  hardUsd: 5,
  ...given,
})
const NO_SPEND = { numRequests: 1, promptTokens: 0, cachedTokens: 0, generatedTokens: 0, expertBytes: 0, cpuMs: 0 }
const account = { key: "k", agent: "", expert: "", domain: "", model: "" }
const memory = () => createLedger(() => createMemoryStore(1000), "memory", { say: () => {}, nowMs: () => 0 })

describe("parseBudgets", () => {
  test("reads dimension, name, limits and period", () => {
    expect(parseBudgets("key=4,5/day; agent:the writer=0,2.5/month")).toEqual([
      daily(),
      { dimension: "agent", name: "the writer", period: "month", softUsd: 0, hardUsd: 2.5 },
    ])
  })

  test.each(["", "key", "key=5,4/day", "key=1,2/week", "town=1,2/day", "key=1,x/day", "key=1,2/day;", "key=.,2/day"])(
    "%p is none",
    (text) => {
      expect(parseBudgets(text)).toBeUndefined()
    },
  )
})

test("periodStartMs: hour, day and month begin in UTC", () => {
  const at = Date.UTC(2026, 10, 26, 15, 40)
  const starts = (["hour", "day", "month"] as const).map((period) => new Date(periodStartMs(period, at)).toISOString())
  expect(starts).toEqual(["2026-11-26T15:00:00.000Z", "2026-11-26T00:00:00.000Z", "2026-11-01T00:00:00.000Z"])
})

describe("checkBudget", () => {
  const use = (spentUsd: number, reservedUsd = 0, budget = daily()): BudgetUse => ({
    budget,
    name: "k",
    spentUsd,
    reservedUsd,
  })

  test("allows up to the soft limit, warns up to the hard one, refuses beyond", () => {
    expect(checkBudget([use(3)], 1)).toEqual({ kind: "allowed", warnings: [] })
    expect(checkBudget([use(3)], 1.5)).toEqual({ kind: "allowed", warnings: [use(3)] })
    expect(checkBudget([use(3)], 2)).toEqual({ kind: "allowed", warnings: [use(3)] })
    expect(checkBudget([use(3)], 2.5)).toEqual({ kind: "refused", by: use(3) })
  })

  test("what others have reserved counts as spent, and the tightest budget decides", () => {
    expect(checkBudget([use(3, 1.5)], 1).kind).toBe("refused")
    expect(checkBudget([use(0), use(9, 0, daily({ dimension: "agent", hardUsd: 9 }))], 1)).toMatchObject({
      by: { spentUsd: 9 },
    })
    expect(checkBudget([], 1e9)).toEqual({ kind: "allowed", warnings: [] })
  })
})

describe("createAccounts", () => {
  test("requests that run at once never pass a hard limit together", () => {
    // Doubles of fast-check are mostly tiny: together they would never come near the limit.
    const usd = (most: number) => fc.integer({ min: 0, max: most * 100 }).map((cents) => cents / 100)
    const step = fc.record({ mostUsd: usd(2), share: usd(1), settleFirst: fc.boolean() })
    fc.assert(
      fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
        const ledger = memory()
        const accounts = createAccounts(ledger, [daily()], () => 0)
        const running: (() => void)[] = []
        for (const { mostUsd, share, settleFirst } of steps) {
          if (settleFirst) running.shift()?.()
          const place = accounts.reserve(account, mostUsd)
          if (place.kind === "refused") continue
          running.push(() => place.settle([entryOf({ ...account, costUsd: mostUsd * share })]))
        }
        for (const settle of running) settle()
        expect(ledger.spend()[0]?.costUsd ?? 0).toBeLessThanOrEqual(5 + 1e-9)
      }),
    )
  })

  test("what is not used is free again, also when a request comes to nothing, and settling twice counts once", () => {
    const ledger = memory()
    const accounts = createAccounts(ledger, [daily()], () => 0)
    const first = accounts.reserve(account, 5)
    expect(accounts.reserve(account, 0.1).kind).toBe("refused")
    if (first.kind !== "allowed") throw new Error("refused")
    first.settle([])
    first.settle([entryOf({ ...account, costUsd: 5 })])
    expect(ledger.spend()).toEqual([])
    expect(accounts.reserve(account, 5).kind).toBe("allowed")
  })

  test("a name does not pay for another, and a new period begins with nothing", () => {
    let nowMs = 0
    const accounts = createAccounts(memory(), [daily({ dimension: "agent" })], () => nowMs)
    const spend = (agent: string, usd: number): string => {
      const place = accounts.reserve({ ...account, agent }, usd)
      if (place.kind === "allowed") place.settle([entryOf({ ...account, agent, atMs: nowMs, costUsd: usd })])
      return place.kind
    }
    expect([spend("a", 5), spend("a", 1), spend("b", 5)]).toEqual(["allowed", "refused", "allowed"])
    nowMs = DAY_MS
    expect(spend("a", 5)).toBe("allowed")
  })

  test("without a ledger's file they count for themselves, in each period", () => {
    let nowMs = 0
    const accounts = createAccounts(openLedger({ path: undefined, say: () => {} }), [daily()], () => nowMs)
    const spend = (usd: number): string => {
      const place = accounts.reserve(account, usd)
      if (place.kind === "allowed") place.settle([entryOf({ ...account, atMs: nowMs, costUsd: usd })])
      return place.kind
    }
    expect([spend(4), spend(2)]).toEqual(["allowed", "refused"])
    nowMs = DAY_MS
    expect([spend(4), spend(2)]).toEqual(["allowed", "refused"])
  })

  test("spend before the service began counts: it is read from the ledger", () => {
    const ledger = memory()
    ledger.record(entryOf({ ...account, costUsd: 4.5, atMs: DAY_MS }))
    const accounts = createAccounts(ledger, [daily()], () => DAY_MS + 1)
    expect(accounts.reserve(account, 1)).toMatchObject({ kind: "refused", by: { spentUsd: 4.5 } })
    expect(accounts.reserve(account, 0.4)).toMatchObject({ kind: "allowed", warnings: [{ spentUsd: 4.5 }] })
  })

  test("an attempt that ended before the period began is not of it, though it is settled later", () => {
    let nowMs = DAY_MS - 1
    const accounts = createAccounts(memory(), [daily()], () => nowMs)
    const place = accounts.reserve(account, 5)
    nowMs = DAY_MS
    expect(accounts.check(account, 0.1)).toMatchObject({ kind: "refused", by: { spentUsd: 0, reservedUsd: 5 } })
    if (place.kind === "allowed") place.settle([entryOf({ ...account, atMs: DAY_MS - 1, costUsd: 5 })])
    expect(accounts.check(account, 5).kind).toBe("allowed")
  })

  describe("beyond as many names as are kept", () => {
    const spends = (count: number, costUsd: number) =>
      Array.from({ length: count }, (_, i) => ({ ...NO_SPEND, name: `n${i}`, costUsd }))
    const openFull = (numNames: number) =>
      createAccounts({ record() {}, spend: () => spends(numNames, 3) }, [daily()], () => 0)
    const allows = (accounts: Accounts, key: string, usd: number) => accounts.check({ ...account, key }, usd).kind

    test("requests that run at once put aside from the account that they share", () => {
      const accounts = openFull(100_000)
      const place = accounts.reserve({ ...account, key: "x" }, 3)
      expect(place.kind).toBe("allowed")
      expect(["n0", "x", "y"].map((key) => allows(accounts, key, 2.5))).toEqual(["refused", "refused", "refused"])
      expect(allows(accounts, "y", 2)).toBe("allowed")
      if (place.kind === "allowed") place.settle([entryOf({ ...account, key: "x", costUsd: 1 })])
      expect([allows(accounts, "y", 4), allows(accounts, "y", 4.1)]).toEqual(["allowed", "refused"])
    })

    test("what they had spent before the service began is on that account too", () => {
      const accounts = openFull(100_001)
      expect(["n0", "n100000", "x"].map((key) => allows(accounts, key, 2.1))).toEqual(["refused", "refused", "refused"])
      expect(["n0", "n100000", "x"].map((key) => allows(accounts, key, 2))).toEqual(["allowed", "allowed", "allowed"])
    })
  })

  test("attempts are charged to whom they name, though the reservation did not know them yet", () => {
    const ledger = memory()
    const accounts = createAccounts(ledger, [daily({ dimension: "expert", name: "finance" })], () => 0)
    for (let i = 0; i < 5; i++) {
      const place = accounts.reserve(account, 1)
      if (place.kind === "allowed") place.settle([entryOf({ ...account, expert: "finance", costUsd: 1 })])
    }
    expect(accounts.reserve({ ...account, expert: "finance" }, 0.1)).toMatchObject({
      kind: "refused",
      by: { spentUsd: 5 },
    })
    expect(accounts.reserve({ ...account, expert: "marketing" }, 0.1).kind).toBe("allowed")
  })
})
