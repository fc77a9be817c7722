import { Effect } from "effect"
import { Elysia } from "elysia"
import type { FleetDeps } from "../http/FleetDeps.ts"

/** GET /admin/fleet: each expert's health, with what it cools down from and until when, and its load. */
export const adminFleet = ({ fleet }: FleetDeps) =>
  new Elysia().get("/admin/fleet", async () => {
    const { deadlineMs, leastScore, breaker } = fleet.config
    const { maxFailures, firstBackoffMs, mostBackoffMs, quietMs } = breaker
    return {
      deadlineMs,
      leastScore,
      breaker: { maxFailures, firstBackoffMs, mostBackoffMs, quietMs },
      experts: await Effect.runPromise(fleet.state),
    }
  })
