import { ASSISTANT, parseAgents } from "@consilium/agent"
import { createAccounts, type LedgerEntry, parseBudgets } from "@consilium/cost"
import { Fleet, parseFleet, type RequestRouter } from "@consilium/fleet"
import { Effect, ManagedRuntime } from "effect"
import { createFleetModels } from "../src/agents/createFleetModels.ts"
import { type OpenedAgents, openAgents } from "../src/agents/openAgents.ts"
import { createFleetAdminApp } from "../src/http/createFleetAdminApp.ts"
import { createFleetApp } from "../src/http/createFleetApp.ts"
import { createFleetMetrics } from "../src/http/createFleetMetrics.ts"
import { createUnknownFieldNotes } from "../src/http/ServiceDeps.ts"

/**
 * Opens a fleet of remote experts behind HTTP, in this process; its key is `k`.
 *
 * @param toml with its `[fleet]` header, and the tables of agents where it has some
 */
export async function openFleetService(toml: string, budgets = "", router?: RequestRouter) {
  const tables = Bun.TOML.parse(toml) as { readonly fleet: unknown; readonly agents?: unknown }
  const config = parseFleet(tables.fleet, "consilium.toml")
  const options = { config, locals: [], memoryBytes: 1, keys: {}, ...(router && { router }) }
  const runtime = ManagedRuntime.make(Fleet.layer(options))
  const fleet = await runtime.runPromise(Fleet.use(Effect.succeed))
  const debug = (): void => {}
  const entries: LedgerEntry[] = []
  const ledger = { record: (entry: LedgerEntry) => void entries.push(entry), spend: () => [] }
  const accounts = createAccounts(ledger, budgets === "" ? [] : parseBudgets(budgets)!)
  const metrics = createFleetMetrics(fleet)
  const noteUnknownFields = createUnknownFieldNotes(debug)
  const settings = tables.agents === undefined ? [ASSISTANT] : parseAgents(tables.agents, "consilium.toml")
  let opened: Promise<OpenedAgents> | undefined
  const agents = async () => {
    const modelOf = createFleetModels({ fleet, accounts, contextLength: 8192, metrics })
    opened ??= openAgents({
      agents: settings,
      memoryFile: ":memory:",
      modelOf,
      environment: {},
      openEmbedder: () => Promise.reject(new Error("there is none")),
      knowledgeDir: "",
      say() {},
    })
    return (await opened).service
  }
  const deps = {
    fleet,
    agentNames: settings.map(({ config: { name } }) => name),
    agents,
    created: 0,
    metrics,
    accounts,
    models: [],
    debug,
    noteUnknownFields,
  }
  return {
    /** What its ledger was given. */
    entries,
    app: createFleetApp(deps, { apiKey: "k" }),
    admin: createFleetAdminApp(deps, {}),
    async close() {
      await (await opened)?.close()
      await runtime.dispose()
    },
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
