import type { ControlResult, EngineApi } from "@consilium/serving"
import { Effect } from "effect"
import { readJson } from "../http/readBody.ts"
import { sseEvent, sseResponse } from "../http/sse.ts"
import type { ModelDeps } from "../http/ServiceDeps.ts"
import { adminRoutes, badRequest, parseCommand } from "./adminRoutes.ts"

interface AdminOptions {
  /** Faults may be injected. */
  readonly enablesFaults: boolean
}

/** What an operator asks of the served model: its experts, their states, how many are awake, and faults where those are enabled. */
export const adminModel = ({ engine, desired, modelId }: ModelDeps, { enablesFaults }: AdminOptions) => {
  const control = (command: unknown): Promise<ControlResult> => Effect.runPromise(engine.control(parseCommand(command)))

  return adminRoutes(modelId)
    .get("/status", () => Effect.runPromise(engine.state))
    .get("/experts", () => control({ kind: "experts" }))
    .get("/events", ({ request }) => changesStream(engine, request.signal))
    .post("/scale", async ({ request }) =>
      control({
        awakePerLayer: null,
        replicasPerLayer: 0,
        ...(await readJson(request)),
        kind: "scale",
      }),
    )
    .post("/faults", async ({ request }) => {
      if (!enablesFaults) throw badRequest("Faults are not enabled here: start the service with --enable-faults.")
      const body = await readJson(request)
      if (body.kind === "kill-engine") {
        await Effect.runPromise(engine.kill)
        return { kind: "done" }
      }
      if (body.kind === "disk-full") {
        desired.failNext(1)
        return { kind: "done" }
      }
      const { kind, ...rest } = body
      return control({ ...rest, fault: kind, kind: "fault" })
    })
}

/** Server-sent events, one for each change of an expert, until the client leaves. */
function changesStream({ onChanges }: EngineApi, signal: AbortSignal): Promise<Response> {
  const untilGone = (write: (text: string) => void): Effect.Effect<void> =>
    Effect.callback(() => {
      write(": changes of experts\n\n")
      const stop = onChanges((changes) => changes.forEach((change) => write(sseEvent(change))))
      return Effect.sync(stop)
    })
  return sseResponse(untilGone, { signal, headers: () => ({}) })
}
