import type { EngineOptions } from "@consilium/serving"
import { cpus } from "node:os"
import type { Settings } from "../settings/Settings.ts"
import type { LocalModel } from "./openModel.ts"

/** What an engine is started with, by the settings. */
export function engineStart(
  { modelId, dir }: LocalModel,
  preparedDir: string,
  settings: Settings,
): EngineOptions["start"] {
  const { backend, threads, context, memory, debug } = settings
  return {
    modelId,
    sourceDir: dir,
    preparedDir,
    backend,
    numThreads: threads ?? cpus().length,
    numSlots: settings["max-streams"],
    ...(context === undefined ? {} : { contextLength: context }),
    memoryBytes: memory,
    maxWaiting: settings["max-queue"],
    debug,
    enablesFaults: settings["enable-faults"],
    expertIdleMs: settings["expert-idle"] ?? null,
    routing: settings.routing,
    allowsOtherText: settings.failover === "any",
  }
}
