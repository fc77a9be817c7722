import { Effect } from "effect"
import { Elysia } from "elysia"
import { invalidField } from "../http/ApiError.ts"
import type { FleetDeps } from "../http/FleetDeps.ts"
import { readBody } from "../http/readBody.ts"
import { runForRequest } from "../http/sse.ts"

/**
 * GET /admin/fleet: which router chooses, what embeds for it, and each expert's health, with what it cools down from and until when, and its load.
 *
 * POST /admin/fleet/router {}: reads the router's file anew, and asks it from the next request on.
 */
export const adminFleet = ({ fleet }: FleetDeps) =>
  new Elysia()
    .get("/admin/fleet", async () => {
      const { deadlineMs, leastScore, breaker } = fleet.config
      const { maxFailures, firstBackoffMs, mostBackoffMs, quietMs } = breaker
      return {
        deadlineMs,
        leastScore,
        breaker: { maxFailures, firstBackoffMs, mostBackoffMs, quietMs },
        router: fleet.router(),
        embedder: fleet.embedder(),
        experts: await Effect.runPromise(fleet.state),
      }
    })
    .post(
      "/admin/fleet/router",
      async ({ request }) => {
        const [name] = (await readBody(request)).names
        // Which file it is stands in the settings, and nowhere else.
        if (name !== undefined) throw invalidField(name, `${name}: expected no field: the file is that of fleet.router`)
        return runForRequest(fleet.swapRouter, request.signal)
      },
      { parse: "none" },
    )
