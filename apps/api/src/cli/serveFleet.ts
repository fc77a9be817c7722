import type { AgentSettings } from "@consilium/agent"
import { createAccounts, type Ledger } from "@consilium/cost"
import { type Embedder, Fleet, type FleetConfig, loadFleetRouter, parseFleet, parseTarget } from "@consilium/fleet"
import { Effect, ManagedRuntime } from "effect"
import { existsSync } from "node:fs"
import { checkAgentModels } from "../agents/checkAgentModels.ts"
import { createFleetAdminApp } from "../http/createFleetAdminApp.ts"
import { createFleetApp } from "../http/createFleetApp.ts"
import { createFleetMetrics } from "../http/createFleetMetrics.ts"
import type { FleetDeps } from "../http/FleetDeps.ts"
import { createUnknownFieldNotes } from "../http/ServiceDeps.ts"
import { SETTINGS_FILE } from "../settings/loadSettings.ts"
import { SettingError } from "../settings/SettingError.ts"
import type { Settings } from "../settings/Settings.ts"
import { type AgentHouse, openAgentHouse } from "./openAgentHouse.ts"
import { loadCalendar } from "./autoscale.ts"
import { openTableEmbedder } from "./openTableEmbedder.ts"
import { readKey } from "./readKey.ts"
import { listen, stopServing, untilSignal, warnOfOpenDoor } from "./listen.ts"
import { openCostLedger } from "./openCosts.ts"
import { openLocalModels, type OpenedModel } from "./openLocalModels.ts"

/**
 * Serves a fleet until a signal says otherwise; returns the exit code.
 *
 * @param table the `[fleet]` table of the settings' file
 * @throws TableError, SettingError
 */
export async function serveFleet(table: unknown, settings: Settings): Promise<number> {
  const config = parseFleet(table, SETTINGS_FILE)
  refuseUnserved(config)
  const embedder = config.embedder && (await openTableEmbedder("fleet.embedder", config.embedder, settings))
  try {
    return await serveWith(config, settings, embedder)
  } finally {
    await embedder?.close()
  }
}

async function serveWith(config: FleetConfig, settings: Settings, embedder: Embedder | undefined): Promise<number> {
  const router = loadFleetRouter(config, embedder?.mark)
  const ledger = openFleetLedger(config, settings)
  const keys = readKeys(config)
  const calendar = settings.calendar === undefined ? {} : { calendar: loadCalendar(settings.calendar) }
  const opened = await openLocalModels(config, settings)
  const options = {
    config,
    locals: opened.map(({ model }) => model),
    keys,
    memoryBytes: settings.memory,
    ...calendar,
    ...(router && { router }),
    ...(embedder && { embedder }),
  }
  const runtime = ManagedRuntime.make(Fleet.layer(options))
  let house: AgentHouse | undefined
  try {
    const fleet = await runtime.runPromise(Fleet.use(Effect.succeed))
    const debug = (line: string): void => {
      if (settings.debug >= 1) console.error(line)
    }
    const accounts = ledger && createAccounts(ledger, settings.budget ?? [])
    const metrics = createFleetMetrics(fleet)
    house = await openAgentHouse(settings, async (agents) => {
      checkFleetModels(agents, config)
      const { createFleetModels } = await import("../agents/createFleetModels.ts")
      return createFleetModels({ fleet, accounts, metrics, contextLength: contextOf(opened) })
    })
    const deps: FleetDeps = {
      fleet,
      created: Math.floor(Date.now() / 1000),
      metrics,
      accounts,
      agentNames: house.agentNames,
      agents: house.agents,
      models: opened.flatMap(({ model: { name, text }, admin }) =>
        admin === undefined ? [] : [{ engine: fleet.locals.engineOf(name), text, modelId: name, ...admin }],
      ),
      debug,
      noteUnknownFields: createUnknownFieldNotes(debug),
    }
    const { "api-key": apiKey, "admin-key": adminKey, "enable-faults": enablesFaults } = settings
    const servers = listen(
      {
        main: createFleetApp(deps, { apiKey }).fetch,
        admin: createFleetAdminApp(deps, { adminKey, enablesFaults }).fetch,
      },
      settings,
    )
    announce(servers[0]!.url, config, settings)
    await untilSignal()
    await stopServing(servers, fleet.drain)
    return 0
  } finally {
    await house?.close()
    await runtime.dispose()
    ledger?.close()
  }
}

/** Of models that are elsewhere, unless an agent's table says it. */
const REMOTE_CONTEXT = 8192

/** Tokens that every model has room for. */
function contextOf(opened: readonly OpenedModel[]): number {
  return Math.min(REMOTE_CONTEXT, ...opened.map(({ contextLength }) => contextLength))
}

/** A run is one conversation: nobody is consulted on each of its steps. @throws SettingError on an expert that the fleet has not */
function checkFleetModels(agents: readonly AgentSettings[], { experts }: FleetConfig): void {
  const names = experts.filter(({ kind }) => kind !== "onnx").map(({ name }) => name)
  const isServed = (model: string): boolean => {
    const target = parseTarget(model, names)
    return target !== undefined && !(target.kind === "auto" && target.consults)
  }
  checkAgentModels(agents, isServed, `"auto", "auto:0.3" or one of ${names.join(", ")}`)
}

/** @throws SettingError on a file that the table names and that is not there */
function refuseUnserved({ experts }: FleetConfig): void {
  for (const expert of experts) {
    if (expert.kind === "onnx" && expert.model !== undefined && !existsSync(expert.model))
      throw new SettingError(
        `${SETTINGS_FILE}: fleet.experts.${expert.name}.model: expected an ONNX file, found none at ${expert.model}`,
      )
  }
}

/** Opens the ledger where settings ask for one, or an expert has a price. @throws SettingError on budgets without a price */
function openFleetLedger({ experts }: FleetConfig, { price, ledger, budget }: Settings): Ledger | undefined {
  if (price !== undefined)
    throw new SettingError(
      `price: expected none beside the [fleet] table of ${SETTINGS_FILE}, whose experts have theirs`,
    )
  const priced = experts.find(({ price: own }) => own.inputUsdPerMillion > 0 || own.outputUsdPerMillion > 0)
  return openCostLedger({ ledger, budget, price: priced?.price })
}

/** @throws SettingError on a key that the settings name and the environment lacks */
function readKeys({ experts }: FleetConfig): Readonly<Record<string, string>> {
  const keys = experts.flatMap((expert) => {
    const key = expert.kind === "remote" ? readKey(`fleet.experts.${expert.name}`, expert.keyEnv) : undefined
    return key === undefined ? [] : [[expert.name, key] as const]
  })
  return Object.fromEntries(keys)
}

function announce(url: URL, { experts }: FleetConfig, { host, "api-key": apiKey }: Settings): void {
  const base = url.href.replace(/\/$/, "")
  console.error(`a fleet of ${experts.map(({ name, kind }) => `${name} (${kind})`).join(", ")} at ${base}/v1`)
  console.error(
    `try: curl ${base}/v1/chat/completions -H 'content-type: application/json'${apiKey === undefined ? "" : " -H 'authorization: Bearer …'"} ` +
      `-d '{"model": "auto", "messages": [{"role": "user", "content": "Hello!"}]}'`,
  )
  warnOfOpenDoor(host, apiKey)
}
