import { Effect } from "effect"
import { Elysia } from "elysia"
import type { FleetDeps } from "../http/FleetDeps.ts"

/** 200 while anybody may be asked, 503 while everyone cools down. It needs no key, and wakes nothing. */
export const fleetHealth = ({ fleet }: FleetDeps) =>
  new Elysia().get("/health", async () => {
    const experts = await Effect.runPromise(fleet.state)
    const isUp = experts.some(({ breaker }) => breaker.state !== "open")
    return Response.json({ status: isUp ? "ok" : "cooling-down" }, { status: isUp ? 200 : 503 })
  })
