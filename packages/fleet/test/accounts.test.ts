/** What a fleet's attempts cost, by accounts with budgets. */
import { type Accounts, createAccounts, type LedgerEntry, openSqliteStore, parseBudgets } from "@consilium/cost"
import { itEffect } from "@consilium/testing/effect"
import { startFakePeer } from "@consilium/testing/peer"
import { afterAll, beforeEach, describe, expect } from "bun:test"
import { Effect, Fiber, References } from "effect"
import { createPurse, type Purse } from "../src/answer/Purse.ts"
import { openFleet, tableRouter } from "./fleetOf.ts"
import { requestOf } from "./requestOf.ts"

const peers = { risk: startFakePeer(), desk: startFakePeer() }
afterAll(() => Object.values(peers).forEach((peer) => peer.stop()))
beforeEach(() => Object.values(peers).forEach((peer) => peer.does({ kind: "answer", pieces: ["a ", "b"] })))

const expert = (name: keyof typeof peers, extra: string): string =>
  `[fleet.experts.${name}]\nkind = "remote"\nurl = "${peers[name].url}"\nmodel = "m-${name}"\n${extra}\n`
const TOML =
  expert("risk", 'domain = "finance"\nprice = { input = 10, cached = 1, output = 100 }') +
  expert("desk", "generalist = true\nprice = { input = 1, output = 1 }")
const router = tableRouter(["risk", "desk"], { risky: [0.9, 0] })

function openAccounts(budgets = "") {
  const store = openSqliteStore(":memory:", 1000)
  const ledger = { record: (entry: LedgerEntry) => store.append([entry]), spend: store.spend, entries: store.entries }
  return { ledger, accounts: createAccounts(ledger, budgets === "" ? [] : parseBudgets(budgets)!, () => 0) }
}
const paid = (accounts: Accounts, requestId: string, domain = "") => ({
  requestId,
  purse: createPurse(accounts, requestId, { key: "k", agent: "a", domain }),
})

describe("accounts of a fleet", () => {
  itEffect("every attempt is an entry: failed ones by what they said, and the one that answered", () =>
    Effect.gen(function* () {
      const { ledger, accounts } = openAccounts()
      const fleet = yield* openFleet(TOML, { router })
      peers.risk.does({ kind: "cut", pieces: ["four more letters"] })
      const { report } = yield* fleet.answer(requestOf("risky", paid(accounts, "r1")), () => {})
      const entries = [...ledger.entries({})]
      expect(entries).toMatchObject([
        { requestId: "r1", expert: "risk", model: "m-risk", domain: "finance", outcome: "failed", generatedTokens: 5 },
        { requestId: "r1", expert: "desk", model: "m-desk", domain: "", outcome: "done" },
      ])
      const [failed, done] = entries
      expect(failed!.costUsd).toBeCloseTo((10 * failed!.promptTokens + 100 * 5) / 1e6, 12)
      expect(report.cost.usd).toBeCloseTo(failed!.costUsd + done!.costUsd, 12)
      expect(failed!.price).toEqual({ inputUsdPerMillion: 10, cachedUsdPerMillion: 1, outputUsdPerMillion: 100 })
    }),
  )

  itEffect("what a client left is an entry too, and a request's own domain counts before its expert's", () =>
    Effect.gen(function* () {
      const { ledger, accounts } = openAccounts()
      const fleet = yield* openFleet(TOML, { router })
      peers.risk.does({ kind: "hang", pieces: ["Once "] })
      const heard = Promise.withResolvers<void>()
      const request = requestOf("risky", { ...paid(accounts, "r2", "stories"), isStream: true })
      const answering = yield* Effect.forkChild(fleet.answer(request, () => heard.resolve()))
      yield* Effect.promise(() => heard.promise)
      yield* Fiber.interrupt(answering)
      expect([...ledger.entries({})]).toMatchObject([
        { expert: "risk", domain: "stories", outcome: "cancelled", generatedTokens: 2 },
      ])
    }),
  )

  itEffect("an expert's budget sends requests to others; nobody within a domain's is an error", () =>
    Effect.gen(function* () {
      const { ledger, accounts } = openAccounts("expert:risk=0,0.06/day; domain:sport=0,0/day")
      const fleet = yield* openFleet(TOML, { router })
      const who = (requestId: string, domain?: string) =>
        Effect.map(
          fleet.answer(requestOf("risky", paid(accounts, requestId, domain)), () => {}),
          ({ report }) => report,
        )
      // An answer of unknown length is reckoned with 512 tokens: 0.05 dollars.
      expect((yield* who("r3")).expert).toBe("risk")
      ledger.record({ ...[...ledger.entries({})][0]!, costUsd: 0.05 })
      const again = createAccounts(ledger, parseBudgets("expert:risk=0,0.06/day")!, () => 0)
      const other = yield* fleet.answer(requestOf("risky", paid(again, "r4")), () => {})
      expect(other.report.expert).toBe("desk")
      expect(other.report.route.scores.at(-1)).toMatchObject({ expert: "risk", unavailable: "beyond a budget" })
      const error = yield* Effect.flip(who("r5", "sport"))
      expect(error).toMatchObject({ code: "budget-exceeded", attempts: [] })
      expect(error.message).toContain(
        "domain sport: 0.0000 USD spent and 0.0000 reserved of 0 (soft), 0 (hard) this day",
      )
    }),
  )

  itEffect("whoever leaves, wherever its request is then, leaves nothing put aside", () =>
    Effect.gen(function* () {
      const fleet = yield* openFleet(TOML, { router })
      let numOpen = 0
      const purse: Purse = {
        warnings: [],
        refusedBy: undefined,
        allows: () => true,
        reserve: () => {
          numOpen++
          return { settle: () => void numOpen-- }
        },
      }
      const asking = fleet.answer(requestOf("risky", { purse }), () => {})
      for (let ops = 5; ops <= 40; ops++)
        for (let turns = 0; turns <= 12; turns++) {
          const leaving = yield* Effect.forkChild(Effect.provideService(asking, References.MaxOpsBeforeYield, ops))
          for (let turn = 0; turn < turns; turn++) yield* Effect.yieldNow
          yield* Fiber.interrupt(leaving)
          expect(numOpen, `left after ${turns} turns of ${ops} operations`).toBe(0)
        }
    }),
  )
})
