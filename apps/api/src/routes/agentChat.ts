import type { AgentEvent, RunOutcome } from "@consilium/agent"
import { keyIdOf } from "@consilium/cost"
import type { CompletionEvent } from "@consilium/serving"
import { Effect } from "effect"
import { agentOfModel } from "../agents/agentModel.ts"
import type { Warn } from "../agents/AgentService.ts"
import { agentRunBody } from "../agents/agentRunResponse.ts"
import { askOf, parseName } from "../agents/parseAgentRun.ts"
import type { AgentDeps } from "../http/AgentDeps.ts"
import { bearerOf } from "../http/authorize.ts"
import type { ConsiliumResponse } from "../http/consilium.ts"
import type { RequestFields } from "../http/RequestFields.ts"
import type { ServiceDeps } from "../http/ServiceDeps.ts"
import { chatBody, chatChunks } from "../openai/chatResponse.ts"
import { parseChatRequest } from "../openai/parseChatRequest.ts"
import { respond } from "./respond.ts"

type Deps = AgentDeps & Pick<ServiceDeps, "noteUnknownFields">

/** Whether a chat is with an agent: its tools are called here, and never leave. */
export function namesAgent(fields: RequestFields): boolean {
  return agentOfModel(fields.text("model") ?? "") !== undefined
}

/** Answers a chat by an agent's run. The client's own history is the conversation; `user` says whose facts are remembered. */
export async function agentChat(deps: Deps, fields: RequestFields, request: Request): Promise<Response> {
  const arrivedMs = performance.now()
  const { model, messages, tools, numChoices, isStream, includesUsage, consilium, unknownFields } =
    parseChatRequest(fields)
  if (tools.length > 0) fields.fail("tools", "none with an agent, which has its own")
  if (numChoices > 1) fields.fail("n", "1 with an agent")
  deps.noteUnknownFields(unknownFields)
  const agent = agentOfModel(model)!
  const runId = `chatcmpl-${crypto.randomUUID()}`
  const head = { id: runId, created: Math.floor(Date.now() / 1000), model }
  const service = await deps.agents()
  let headers = { "x-request-id": runId }
  const events: AgentEvent[] = []
  let outcome: RunOutcome | undefined
  const ask = {
    runId,
    agent,
    messages: askOf(messages, fields),
    user: parseName(fields, "user"),
    conversation: runId,
    confirmed: [],
    isStream,
    caller: { key: keyIdOf(bearerOf(request)), domain: consilium.domain },
  }
  return respond({
    arrivedMs,
    isStream,
    numChoices: 1,
    signal: request.signal,
    form: {
      chunks: (consiliumOf) => chatChunks(head, includesUsage, consiliumOf),
      body: (said, consiliumOf) => chatBody(head, said, consiliumOf),
    },
    headers: () => headers,
    consiliumOf: (_finish, timing): ConsiliumResponse & { readonly run: object } => ({
      requestId: runId,
      backend: "agent",
      timing: { queueMs: 0, ...timing },
      degraded: [],
      cost: { usd: outcome!.ended.usage.costUsd },
      run: agentRunBody({ id: runId, created: head.created, agent }, events, outcome!),
    }),
    observe() {},
    observeGap() {},
    run: (say) => {
      const tell = createTeller(say)
      const warn: Warn = (warnings) => void (headers = { ...headers, ...warnings })
      const hear = (event: AgentEvent): void => {
        events.push(event)
        deps.metrics.noteAgentEvent(agent, event)
        if (event.type === "text") tell(event.step, event.text)
      }
      return Effect.map(service.run(ask, hear, warn), (ended) => {
        outcome = ended
        say(finishOf(ended))
      })
    },
  })
}

/** Says the text of all steps as one answer: what comes after calls is a paragraph of its own. */
function createTeller(say: (event: CompletionEvent) => void): (step: number, text: string) => void {
  let latest: number | undefined
  return (step, text) => {
    const isNew = latest !== undefined && latest !== step
    latest = step
    say({ type: "text", choice: 0, text: isNew ? `\n\n${text}` : text, logProbs: [] })
  }
}

/** A limit that was reached cuts an answer as its length would. */
function finishOf({ ended: { end, usage, ms } }: RunOutcome): Extract<CompletionEvent, { type: "finish" }> {
  return {
    type: "finish",
    choice: 0,
    reason: end === "answered" || end === "confirmation" ? "stop" : "length",
    usage: {
      promptTokens: usage.promptTokens,
      cachedTokens: 0,
      generatedTokens: usage.generatedTokens,
      queueMs: 0,
      prefillMs: 0,
      decodeMs: ms,
    },
    degraded: [],
    trace: undefined,
  }
}
