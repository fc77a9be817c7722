import { CalendarError, type EventCalendar, parseCalendar } from "@consilium/scheduling"
import { type Autoscaler, createAutoscaler, type EngineApi, WINDOW_MS } from "@consilium/serving"
import { Effect } from "effect"
import { readFileSync } from "node:fs"
import { SettingError } from "../settings/SettingError.ts"

/** Reads an event calendar, and returns what plans by it. @throws SettingError on a file that cannot be read, or is none */
export function openAutoscaler(path: string): Autoscaler {
  return createAutoscaler(loadCalendar(path), Date.now)
}

/** @throws SettingError on a file that cannot be read, or is no calendar */
export function loadCalendar(path: string): EventCalendar {
  try {
    return parseCalendar(JSON.parse(readFileSync(path, "utf8")), path)
  } catch (error) {
    if (error instanceof CalendarError) throw new SettingError(`calendar: ${error.message}`)
    throw new SettingError(`calendar: ${path}: expected an event calendar in JSON: ${(error as Error).message}`)
  }
}

/** Lets the number of awake experts follow the plan, every minute; returns how to stop. Replicas stay as they are. */
export function autoscale(engine: EngineApi, scaler: Autoscaler, topK: number): () => void {
  const follow = Effect.gen(function* () {
    const report = yield* engine.control({ kind: "experts" })
    if (report.kind !== "experts") return
    const { awakePerLayer: before, replicasPerLayer } = report.residency
    const awakePerLayer = scaler.plan(report.experts, topK)
    if (awakePerLayer !== before) yield* engine.control({ kind: "scale", awakePerLayer, replicasPerLayer })
  })
  // While there is no engine there is nothing to plan.
  const timer = setInterval(() => void Effect.runPromise(Effect.ignore(follow)), WINDOW_MS)
  timer.unref()
  return () => clearInterval(timer)
}
