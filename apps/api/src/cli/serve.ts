import { modelFormats } from "@consilium/model"
import { createDesiredFile, Engine, loadModelText } from "@consilium/serving"
import { Effect, ManagedRuntime } from "effect"
import { createAdminApp } from "../http/createAdminApp.ts"
import { createApp } from "../http/createApp.ts"
import { MAX_BODY_BYTES } from "../http/readBody.ts"
import { createServiceMetrics } from "../http/ServiceMetrics.ts"
import { createUnknownFieldNotes, type ServiceDeps } from "../http/ServiceDeps.ts"
import { SettingError } from "../settings/SettingError.ts"
import type { Settings } from "../settings/Settings.ts"
import { autoscale, openAutoscaler } from "./autoscale.ts"
import { type Command, UsageError } from "./Command.ts"
import { engineStart } from "./engineStart.ts"
import { openCostLedger, openCosts } from "./openCosts.ts"
import { locateModel, prepare } from "./openModel.ts"
import { parseCommandLine } from "./parseCommandLine.ts"

/** What answers may still be on their way to their clients after the engine has finished them. */
const FLUSH_MS = 2000

export const serve: Command = {
  name: "serve",
  summary: "serves a model through an OpenAI-compatible endpoint",
  usage: "[settings]",
  options: "Every setting is a flag: see docs/settings.md. Most used: --model, --port, --format, --memory, --api-key.",
  example: "consilium serve --model path/to/checkpoint --format int4",
  async run(args) {
    const { settings, positionals } = parseCommandLine(args)
    if (positionals.length > 0)
      throw new UsageError(`expected no word without --, found ${positionals.join(" ")}: the model is given by --model`)
    return runService(settings)
  },
}

/** Serves until a signal says otherwise; returns the exit code. */
async function runService(settings: Settings): Promise<number> {
  const model = await locateModel(settings.model, settings["cache-dir"])
  const scaler = settings.calendar === undefined ? undefined : openAutoscaler(settings.calendar, model.dir)
  const prepared = await prepare(model, settings)
  const text = loadModelText(model.dir)
  const desired = createDesiredFile(prepared.dir, (line) => console.error(line))
  const wanted = desired.load()
  desired.prune(wanted)
  const ledger = openCostLedger(settings)
  let stopScaling = (): void => {}
  const runtime = ManagedRuntime.make(
    Engine.layer({
      start: engineStart(model, prepared.dir, settings),
      maxQueue: settings["max-queue"],
      desired: wanted,
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
    const deps: ServiceDeps = {
      engine,
      text,
      modelId: model.modelId,
      created: Math.floor(Date.now() / 1000),
      metrics: createServiceMetrics(engine),
      costs: ledger && openCosts(engine, ledger, model, settings),
      desired,
      packing: {
        sourceDir: model.dir,
        preparedDir: prepared.dir,
        formats: modelFormats(settings.format, settings.dense),
        swapDir: settings["swap-dir"],
      },
      debug,
      noteRequest: () => scaler?.noteRequest(),
      noteUnknownFields: createUnknownFieldNotes(debug),
    }
    if (scaler !== undefined) stopScaling = autoscale(engine, scaler)
    const servers = listen(deps, settings)
    const stopped = untilSignal()

    const ready = await Promise.race([Effect.runPromise(Effect.result(engine.ready)), stopped.then(() => undefined)])
    if (ready?._tag === "Failure") {
      await Promise.all(servers.map((server) => server.stop(true)))
      console.error(ready.failure.message)
      return 1
    }
    if (ready !== undefined) announce(servers[0]!.url, model.modelId, ready.success, settings)
    await stopped

    console.error("stopping: finishing what runs (a second signal stops at once)")
    process.once("SIGINT", () => process.exit(130))
    process.once("SIGTERM", () => process.exit(143))
    await Effect.runPromise(engine.drain)
    await Promise.race([Promise.all(servers.map((server) => server.stop())), Bun.sleep(FLUSH_MS)])
    await Promise.all(servers.map((server) => server.stop(true)))
    return 0
  } finally {
    stopScaling()
    await runtime.dispose()
    ledger?.close()
  }
}

function listen(deps: ServiceDeps, settings: Settings): Bun.Server<undefined>[] {
  const { host, port, "api-key": apiKey, "admin-key": adminKey, "admin-port": adminPort } = settings
  const open = (
    hostname: string,
    at: number,
    setting: string,
    fetch: (request: Request) => Response | Promise<Response>,
  ): Bun.Server<undefined> => {
    try {
      return Bun.serve({
        hostname,
        port: at,
        idleTimeout: 0,
        maxRequestBodySize: MAX_BODY_BYTES,
        fetch,
      })
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      const why =
        code === "EADDRINUSE" ? "it is taken: choose another" : `the system says ${code ?? (error as Error).message}`
      throw new SettingError(`--${setting} ${at} on ${hostname}: expected a port to listen on, but ${why}`)
    }
  }
  const main = open(host, port, "port", createApp(deps, { apiKey }).fetch)
  if (adminPort === undefined) return [main]
  return [
    main,
    open(
      "127.0.0.1",
      adminPort,
      "admin-port",
      createAdminApp(deps, { adminKey, enablesFaults: settings["enable-faults"] }).fetch,
    ),
  ]
}

function untilSignal(): Promise<void> {
  return new Promise((resolve) => {
    process.once("SIGINT", () => resolve())
    process.once("SIGTERM", () => resolve())
  })
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
  const isLocal = host === "127.0.0.1" || host === "localhost" || host === "::1"
  if (!isLocal && apiKey === undefined)
    console.error(`warning: ${host} can be reached from other machines, and no --api-key is set`)
}
