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
  const { "gpu-memory": gpuMemory, "memory-domains": memoryDomains } = settings
  return {
    modelId,
    sourceDir: dir,
    preparedDir,
    backend,
    numThreads: threads ?? cpus().length,
    numSlots: settings["max-streams"],
    ...(context === undefined ? {} : { contextLength: context }),
    memoryBytes: memory,
    ...(gpuMemory === undefined ? {} : { gpuMemoryBytes: gpuMemory }),
    ...(memoryDomains === undefined ? {} : { memoryDomains }),
    maxWaiting: settings["max-queue"],
    debug,
    enablesFaults: settings["enable-faults"],
    expertIdleMs: settings["expert-idle"] ?? null,
    routing: routingPolicy(settings),
    allowsOtherText: settings.failover === "any",
  }
}

/** DeepSeek-V3's, for scores of at most 1. */
const BIAS_RATE = 0.001

function routingPolicy(settings: Settings): EngineOptions["start"]["routing"] {
  const { routing: mode } = settings
  if (mode !== "balanced") return { mode }
  return {
    mode,
    biasRate: settings["bias-rate"] ?? BIAS_RATE,
    routerNoise: settings["router-noise"] ?? 0,
    capacityFactor: settings["capacity-factor"] ?? null,
  }
}
