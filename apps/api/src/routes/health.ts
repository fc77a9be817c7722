import { Effect } from "effect"
import { Elysia } from "elysia"
import type { ServiceDeps } from "../http/ServiceDeps.ts"

/** 200 when requests are served, 503 with the reason while not. It needs no key, and wakes nothing. */
export const health = ({ engine }: ServiceDeps) =>
  new Elysia().get("/health", async () => {
    const state = await Effect.runPromise(engine.state)
    const { phase } = state
    if (phase === "ready") return Response.json({ status: "ok" })
    if (phase === "asleep") return Response.json({ status: "asleep" })
    const detail =
      phase === "loading" ? { step: state.step, progress: state.total > 0 ? state.done / state.total : 0 } : {}
    const message = phase === "failed" ? { message: state.message } : {}
    return Response.json({ status: phase, ...detail, ...message }, { status: 503 })
  })
