import type { AgentEvent, RunOutcome } from "@consilium/agent"
import { keyIdOf } from "@consilium/cost"
import { Effect } from "effect"
import { Elysia } from "elysia"
import type { Warn } from "../agents/AgentService.ts"
import { agentEvent, agentRunBody, type RunHead } from "../agents/agentRunResponse.ts"
import { parseAgentRun, parseDecision, parseName } from "../agents/parseAgentRun.ts"
import type { AgentDeps } from "../http/AgentDeps.ts"
import { invalidField } from "../http/ApiError.ts"
import { bearerOf } from "../http/authorize.ts"
import { readBody } from "../http/readBody.ts"
import { requestFields } from "../http/RequestFields.ts"
import { runForRequest, sseEvent, sseResponse } from "../http/sse.ts"
import type { ServiceDeps } from "../http/ServiceDeps.ts"

type Deps = AgentDeps & Pick<ServiceDeps, "noteUnknownFields">

interface RunOptions<E> {
  readonly head: RunHead
  readonly isStream: boolean
  readonly signal: AbortSignal
  readonly run: (say: (event: AgentEvent) => void, warn: Warn) => Effect.Effect<RunOutcome, E>
}

/** Runs of agents: asked for, decided on, forgotten. */
export const agentRuns = (deps: Deps) =>
  new Elysia()
    .get("/v1/agents", async () => {
      const { agents } = await deps.agents()
      const data = agents.map(({ name, description, tools }) => ({ id: name, object: "agent", description, tools }))
      return { object: "list", data }
    })
    .post(
      "/v1/agents/:name/runs",
      async ({ request, params: { name } }) => {
        const { unknownFields, domain, ...asked } = parseAgentRun(await readBody(request))
        deps.noteUnknownFields(unknownFields)
        const runId = `run-${crypto.randomUUID()}`
        const caller = { key: keyIdOf(bearerOf(request)), domain }
        const service = await deps.agents()
        return respondRun(deps, {
          head: headOf(runId, name),
          isStream: asked.isStream,
          signal: request.signal,
          run: (say, warn) => service.run({ ...asked, runId, agent: name, caller }, say, warn),
        })
      },
      { parse: "none" },
    )
    .post(
      "/v1/agents/:name/runs/:run/confirm",
      async ({ request, params: { name, run: runId } }) => {
        const { calls, isStream } = parseDecision(await readBody(request))
        const key = keyIdOf(bearerOf(request))
        const service = await deps.agents()
        return respondRun(deps, {
          head: headOf(runId, name),
          isStream,
          signal: request.signal,
          run: (say, warn) => service.decide({ runId, agent: name, calls, key }, say, warn),
        })
      },
      { parse: "none" },
    )
    .delete("/v1/agents/users/:user", async ({ request, params: { user } }) => {
      // The router has decoded it, and says null where it cannot.
      const name = parseName(requestFields({ user }), "user") ?? invalidUser()
      const service = await deps.agents()
      const numForgotten = await service.forget(keyIdOf(bearerOf(request)), name)
      return { object: "agent.user.deleted", user: name, forgotten: numForgotten }
    })

function invalidUser(): never {
  throw invalidField("user", "user: expected a name, encoded as in an address, found something else.")
}

const headOf = (id: string, agent: string): RunHead => ({ id, created: Math.floor(Date.now() / 1000), agent })

/** What happens before the model is asked says nothing of whether it can be: until then a failure has its own status. */
const PREPARING: readonly AgentEvent["type"][] = ["started", "recalled", "passages"]

async function respondRun<E>(deps: Deps, { head, isStream, signal, run }: RunOptions<E>): Promise<Response> {
  let headers = { "x-request-id": head.id }
  const warn: Warn = (warnings) => void (headers = { ...headers, ...warnings })
  const events: AgentEvent[] = []
  const note = (event: AgentEvent): void => {
    events.push(event)
    deps.metrics.noteAgentEvent(head.agent, event)
  }
  if (!isStream) {
    const outcome = await runForRequest(run(note, warn), signal)
    return Response.json(agentRunBody(head, events, outcome), { headers })
  }
  return sseResponse(
    (write) => {
      let numSaid = 0
      const say = (event: AgentEvent): void => {
        note(event)
        if (numSaid === 0 && PREPARING.includes(event.type)) return
        while (numSaid < events.length) write(agentEvent(events[numSaid++]!))
      }
      return Effect.map(run(say, warn), (outcome) => write(sseEvent(agentRunBody(head, events, outcome))))
    },
    { signal, headers: () => headers },
  )
}
