import { createAccounts, type LedgerEntry, parseBudgets } from "@consilium/cost"
import { Fleet, parseFleet, type RequestRouter } from "@consilium/fleet"
import { Effect, ManagedRuntime } from "effect"
import { createFleetAdminApp } from "../src/http/createFleetAdminApp.ts"
import { createFleetApp } from "../src/http/createFleetApp.ts"
import { createFleetMetrics } from "../src/http/createFleetMetrics.ts"
import { createUnknownFieldNotes } from "../src/http/ServiceDeps.ts"

/** Opens a fleet of remote experts behind HTTP, in this process; its key is `k`. @param toml with its `[fleet]` header */
export async function openFleetService(toml: string, budgets = "", router?: RequestRouter) {
  const config = parseFleet((Bun.TOML.parse(toml) as { fleet: unknown }).fleet, "consilium.toml")
  const options = { config, locals: [], memoryBytes: 1, keys: {}, ...(router && { router }) }
  const runtime = ManagedRuntime.make(Fleet.layer(options))
  const fleet = await runtime.runPromise(Fleet.use(Effect.succeed))
  const debug = (): void => {}
  const entries: LedgerEntry[] = []
  const ledger = { record: (entry: LedgerEntry) => void entries.push(entry), spend: () => [] }
  const accounts = createAccounts(ledger, budgets === "" ? [] : parseBudgets(budgets)!)
  const metrics = createFleetMetrics(fleet)
  const noteUnknownFields = createUnknownFieldNotes(debug)
  const agents = (): Promise<never> => Promise.reject(new Error("there are none"))
  const deps = { fleet, agentNames: [], agents, created: 0, metrics, accounts, models: [], debug, noteUnknownFields }
  return {
    /** What its ledger was given. */
    entries,
    app: createFleetApp(deps, { apiKey: "k" }),
    admin: createFleetAdminApp(deps, {}),
    close: () => runtime.dispose(),
  }
}

/** A chat request to `auto`, with the service's key. */
export function chatRequest(content: string, body: object = {}): Request {
  return new Request("http://localhost/v1/chat/completions", {
    method: "POST",
    headers: { authorization: "Bearer k" },
    body: JSON.stringify({ model: "auto", messages: [{ role: "user", content }], ...body }),
  })
}
