import { modelFormats } from "@consilium/model"
import { createDesiredFile, Engine, loadModelText } from "@consilium/serving"
import { Effect, ManagedRuntime } from "effect"
import { checkAgentModels } from "../agents/checkAgentModels.ts"
import { createAdminApp } from "../http/createAdminApp.ts"
import { createApp } from "../http/createApp.ts"
import { createServiceMetrics } from "../http/ServiceMetrics.ts"
import { createUnknownFieldNotes, type ServiceDeps } from "../http/ServiceDeps.ts"
import { loadTable, SETTINGS_FILE } from "../settings/loadSettings.ts"
import type { Settings } from "../settings/Settings.ts"
import { type AgentHouse, openAgentHouse } from "./openAgentHouse.ts"
import { autoscale, openAutoscaler } from "./autoscale.ts"
import { type Command, UsageError } from "./Command.ts"
import { engineStart } from "./engineStart.ts"
import { listen, stopServing, untilSignal, warnOfOpenDoor } from "./listen.ts"
import { openCostLedger, openCosts } from "./openCosts.ts"
import { locateModel, prepare } from "./openModel.ts"
import { parseCommandLine } from "./parseCommandLine.ts"

export const serve: Command = {
  name: "serve",
  summary: "serves a model through an OpenAI-compatible endpoint",
  usage: "[settings]",
  options:
    "Every setting is a flag: see docs/settings.md. Most used: --model, --port, --format, --memory, --api-key.\n" +
    "A [fleet] table in consilium.toml serves several models behind one endpoint: see docs/fleet.md.",
  example: "consilium serve --model path/to/checkpoint --format int4",
  async run(args) {
    const { settings, positionals, hasFlag } = parseCommandLine(args)
    if (positionals.length > 0)
      throw new UsageError(`expected no word without --, found ${positionals.join(" ")}: the model is given by --model`)
    const fleet = loadTable(SETTINGS_FILE, "fleet")
    if (fleet === undefined) return runService(settings)
    if (hasFlag("model"))
      throw new UsageError(
        `--model: expected none beside the [fleet] table of ${SETTINGS_FILE}, whose experts name theirs`,
      )
    // One model does without the fleet, which takes a while to load.
    const { serveFleet } = await import("./serveFleet.ts")
    return serveFleet(fleet, settings)
  },
}

/** Serves until a signal says otherwise; returns the exit code. */
async function runService(settings: Settings): Promise<number> {
  const model = await locateModel(settings.model, settings["cache-dir"])
  const scaler = settings.calendar === undefined ? undefined : openAutoscaler(settings.calendar, model.dir)
  const prepared = await prepare(model, settings)
  const text = loadModelText(model.dir)
  const desired = createDesiredFile(prepared.dir, (line) => console.error(line))
  const ledger = openCostLedger(settings)
  let stopScaling = (): void => {}
  let house: AgentHouse | undefined
  const runtime = ManagedRuntime.make(
    Engine.layer({
      start: engineStart(model, prepared.dir, settings),
      maxQueue: settings["max-queue"],
      desired: desired.load(),
      onDesired: desired.save,
      stepDeadlineMs: settings["step-deadline"],
      ...(settings["model-idle"] === undefined ? {} : { modelIdleMs: settings["model-idle"] }),
      onState: ({ phase }) => logState(phase),
    }),
  )
  try {
    const engine = await runtime.runPromise(Engine.use(Effect.succeed))
    const debug = (line: string): void => {
      if (settings.debug >= 1) console.error(line)
    }
    const costs = ledger && openCosts(engine, ledger, model, settings)
    const noteRequest = (): void => scaler?.noteRequest()
    const metrics = createServiceMetrics(engine)
    house = await openAgentHouse(settings, async (agents) => {
      const { modelId } = model
      checkAgentModels(
        agents,
        (name) => ["auto", "default", modelId].includes(name),
        `"auto" or "${modelId}" without a fleet`,
      )
      const { createServedModels } = await import("../agents/createServedModels.ts")
      return createServedModels({ engine, text, modelId, costs, metrics, noteRequest })
    })
    const deps: ServiceDeps = {
      engine,
      text,
      modelId: model.modelId,
      created: Math.floor(Date.now() / 1000),
      metrics,
      costs,
      agentNames: house.agentNames,
      agents: house.agents,
      desired,
      packing: {
        sourceDir: model.dir,
        preparedDir: prepared.dir,
        formats: modelFormats(settings.format, settings.dense),
        swapDir: settings["swap-dir"],
      },
      debug,
      noteRequest,
      noteUnknownFields: createUnknownFieldNotes(debug),
    }
    if (scaler !== undefined) stopScaling = autoscale(engine, scaler)
    const { "api-key": apiKey, "admin-key": adminKey, "enable-faults": enablesFaults } = settings
    const servers = listen(
      { main: createApp(deps, { apiKey }).fetch, admin: createAdminApp(deps, { adminKey, enablesFaults }).fetch },
      settings,
    )
    const stopped = untilSignal()

    const ready = await Promise.race([Effect.runPromise(Effect.result(engine.ready)), stopped.then(() => undefined)])
    if (ready?._tag === "Failure") {
      await Promise.all(servers.map((server) => server.stop(true)))
      console.error(ready.failure.message)
      return 1
    }
    if (ready !== undefined) announce(servers[0]!.url, model.modelId, ready.success, settings)
    await stopped

    await stopServing(servers, engine.drain)
    return 0
  } finally {
    stopScaling()
    await house?.close()
    await runtime.dispose()
    ledger?.close()
  }
}

function logState(phase: string): void {
  if (phase === "restarting") console.error("the engine died: restarting it, answers in flight go on")
  if (phase === "asleep") console.error("nobody asks: the model falls asleep, the next request wakes it")
  if (phase === "failed") console.error("the engine is gone and stays so: requests are refused")
}

function announce(
  url: URL,
  modelId: string,
  {
    backend,
    format,
    numSlots,
    contextLength,
  }: {
    readonly backend: string
    readonly format: string
    readonly numSlots: number
    readonly contextLength: number
  },
  { host, "api-key": apiKey }: Settings,
): void {
  const base = url.href.replace(/\/$/, "")
  console.error(
    `${modelId} at ${base}/v1 (backend ${backend}, format ${format}, ${numSlots} streams of ${contextLength} tokens)`,
  )
  console.error(
    `try: curl ${base}/v1/chat/completions -H 'content-type: application/json'${apiKey === undefined ? "" : " -H 'authorization: Bearer …'"} ` +
      `-d '{"model": "default", "messages": [{"role": "user", "content": "Hello!"}], "stream": true}'`,
  )
  warnOfOpenDoor(host, apiKey)
}
