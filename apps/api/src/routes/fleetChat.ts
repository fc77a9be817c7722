import { keyIdOf } from "@consilium/cost"
import { createPurse, type FleetError, type FleetReport, type FleetRequest } from "@consilium/fleet"
import type { CompletionEvent } from "@consilium/serving"
import { Effect } from "effect"
import { Elysia } from "elysia"
import { bearerOf } from "../http/authorize.ts"
import type { FleetConsilium } from "../http/consiliumOfFleet.ts"
import type { FleetDeps } from "../http/FleetDeps.ts"
import { readBody } from "../http/readBody.ts"
import { budgetHeaders } from "../http/RequestCosts.ts"
import { chatBody, chatChunks } from "../openai/chatResponse.ts"
import { parseFleetRequest } from "../openai/parseFleetRequest.ts"
import { agentChat, namesAgent } from "./agentChat.ts"
import { respond } from "./respond.ts"

/** POST /v1/chat/completions of a fleet. */
export const fleetChat = (deps: FleetDeps) =>
  new Elysia().post(
    "/v1/chat/completions",
    async ({ request: { signal }, request }) => {
      const arrivedMs = performance.now()
      const fields = await readBody(request)
      if (namesAgent(fields)) return agentChat(deps, fields, request)
      const parsed = parseFleetRequest(fields, deps.fleet.config)
      deps.noteUnknownFields(parsed.unknownFields)
      const requestId = `chatcmpl-${crypto.randomUUID()}`
      const head = { id: requestId, created: Math.floor(Date.now() / 1000), model: parsed.model }
      const { agent, domain } = parsed.consilium
      const account = { key: keyIdOf(bearerOf(request)), agent, domain }
      const purse = deps.accounts && createPurse(deps.accounts, requestId, account)
      const answering = createAnswering(deps, { ...parsed.request, requestId, purse })
      return respond({
        arrivedMs,
        isStream: parsed.request.isStream,
        numChoices: parsed.request.numChoices,
        signal,
        form: {
          chunks: (consiliumOf) => chatChunks(head, parsed.includesUsage, consiliumOf),
          body: (events, consiliumOf) => chatBody(head, events, consiliumOf),
        },
        headers: () => ({
          "x-request-id": requestId,
          ...budgetHeaders(purse?.warnings ?? []),
          ...(answering.expert === undefined ? {} : { "x-consilium-expert": answering.expert }),
        }),
        consiliumOf: ({ usage, degraded, trace }, timing): FleetConsilium => ({
          requestId,
          ...answering.report!,
          timing: { queueMs: usage.queueMs, ...timing },
          degraded,
          ...(trace && { trace }),
        }),
        observe: ({ choice }, timing) => {
          if (choice === 0) deps.metrics.observe(answering.report!, timing)
        },
        observeGap: deps.metrics.observeGap,
        run: answering.run,
      })
    },
    { parse: "none" },
  )

/** One request on its way: who answers is known with the first text, the whole report at the end. */
function createAnswering({ fleet, metrics }: FleetDeps, request: FleetRequest) {
  let expert: string | undefined
  let report: FleetReport | undefined
  return {
    get expert() {
      return report?.expert ?? expert
    },
    get report() {
      return report
    },
    run: (say: (event: CompletionEvent) => void): Effect.Effect<void, FleetError> => {
      const tell = (event: CompletionEvent, name: string): void => {
        expert ??= name
        say(event)
      }
      return Effect.map(fleet.answer(request, tell, metrics.observeAttempt), (answer) => {
        report = answer.report
        answer.finishes.forEach(say)
      })
    },
  }
}
