import { loadModelConfig, type ModelConfig, mostExpertsPerToken } from "@consilium/model"
import { CalendarError, type EventCalendar, parseCalendar, PLAN_MS, refuseUnknownExperts } from "@consilium/scheduling"
import { type Autoscaler, createAutoscaler, type EngineApi } from "@consilium/serving"
import { Effect, Option } from "effect"
import { readFileSync } from "node:fs"
import { SettingError } from "../settings/SettingError.ts"

/**
 * Reads an event calendar, and returns what plans by it.
 *
 * @param modelDir the checkpoint whose experts it may name
 * @throws SettingError on a file that cannot be read, is none, or names experts that the model does not have
 */
export function openAutoscaler(path: string, modelDir: string): Autoscaler {
  const { config } = loadModelConfig(modelDir)
  const calendar = loadCalendar(path)
  try {
    refuseUnknownExperts(calendar, path, (layer) => numExpertsOf(config, layer))
  } catch (error) {
    throw asSettingError(error, path)
  }
  return createAutoscaler(calendar, mostExpertsPerToken(config), Date.now)
}

/** @throws SettingError on a file that cannot be read, or is no calendar */
export function loadCalendar(path: string): EventCalendar {
  try {
    return parseCalendar(JSON.parse(readFileSync(path, "utf8")), path)
  } catch (error) {
    throw asSettingError(error, path)
  }
}

function asSettingError(error: unknown, path: string): SettingError {
  const message = (error as Error).message
  if (error instanceof CalendarError) return new SettingError(`calendar: ${message}`)
  return new SettingError(`calendar: ${path}: expected an event calendar in JSON: ${message}`)
}

function numExpertsOf({ layers }: ModelConfig, layer: number): number {
  const feedForward = layers[layer]?.feedForward
  return feedForward?.kind === "moe" ? feedForward.numExperts : 0
}

/** Lets the awake experts follow the plan, every minute; returns how to stop. */
export function autoscale(engine: EngineApi, scaler: Autoscaler): () => void {
  const timer = setInterval(() => void Effect.runPromise(Effect.ignore(followPlan(engine, scaler))), PLAN_MS)
  timer.unref()
  return () => clearInterval(timer)
}

/** Plans once, and asks the engine for it. A model that sleeps is woken for an event, and else left asleep. */
export const followPlan = Effect.fn("autoscale.followPlan")(function* (engine: EngineApi, scaler: Autoscaler) {
  const report = Option.getOrUndefined(yield* Effect.option(engine.control({ kind: "experts" })))
  const { keep, isEventDue } = scaler.plan(report?.kind === "experts" ? report.experts : [])
  if (isEventDue) yield* engine.rouse
  if (keep.layers.length > 0) yield* engine.control(keep)
})
