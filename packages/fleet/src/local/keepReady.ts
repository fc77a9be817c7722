import type { EventCalendar } from "@consilium/scheduling"
import { Clock, Effect } from "effect"
import type { EngineExpertConfig } from "../config/FleetConfig.ts"
import type { LocalEngines } from "./LocalEngines.ts"
import { DEMAND_WINDOW_MS, planWakes } from "./planWakes.ts"

const TICK_MS = 60_000
/** Three days. */
const MOST_WINDOWS = 432

/** Wakes experts that will be wanted, every minute, for ever: where memory has room, and nobody has to sleep for it. */
export const keepReady = Effect.fnUntraced(function* (
  experts: readonly Pick<EngineExpertConfig, "name" | "events">[],
  engines: LocalEngines,
  calendar: EventCalendar | undefined,
): Effect.fn.Return<never> {
  const demands = experts.map(({ name, events }) => ({ name, events, requests: [] as number[] }))
  let windowEndsMs = (yield* Clock.currentTimeMillis) + DEMAND_WINDOW_MS
  for (;;) {
    yield* Effect.sleep(TICK_MS)
    const nowMs = yield* Clock.currentTimeMillis
    if (nowMs >= windowEndsMs) {
      windowEndsMs += DEMAND_WINDOW_MS
      for (const { name, requests } of demands) {
        requests.push(engines.takeNumRequests(name))
        if (requests.length > MOST_WINDOWS) requests.shift()
      }
    }
    const candidates = demands.map((demand) => ({ ...demand, isAwake: engines.report(demand.name).isAwake }))
    yield* Effect.forEach(planWakes(candidates, calendar, nowMs), engines.wakeEarly, { discard: true })
  }
})
