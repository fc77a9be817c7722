import type { ExpertState } from "@consilium/fleet"
import { Effect } from "effect"
import { Elysia } from "elysia"

interface ExpertBreaker {
  readonly breaker: Pick<ExpertState["breaker"], "state" | "nextProbeMs">
}

interface HealthDeps {
  readonly fleet: { readonly state: Effect.Effect<readonly ExpertBreaker[]> }
}

/** 200 while anybody may be asked, 503 while everyone cools down. It needs no key, and wakes nothing. */
export const fleetHealth = ({ fleet }: HealthDeps) =>
  new Elysia().get("/health", async () => {
    const experts = await Effect.runPromise(fleet.state)
    const nowMs = Date.now()
    // One whose cool-down is over takes the next request as its probe: without requests it would stay open for ever.
    const isUp = experts.some(({ breaker }) => breaker.state !== "open" || nowMs >= breaker.nextProbeMs!)
    return Response.json({ status: isUp ? "ok" : "cooling-down" }, { status: isUp ? 200 : 503 })
  })
