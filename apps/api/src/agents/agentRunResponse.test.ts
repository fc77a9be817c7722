import { describe, expect, test } from "bun:test"
import type { AgentEvent, RunEnd, RunOutcome } from "@consilium/agent"
import { agentEvent, agentRunBody } from "./agentRunResponse.ts"

const head = { id: "run-1", created: 7, agent: "till" }
const usage = { promptTokens: 10, generatedTokens: 2, costUsd: 0.01 }

const outcomeOf = (end: RunEnd): RunOutcome => ({
  ended: {
    type: "ended",
    end,
    text: "Paid.",
    sources: [{ number: 1, title: "Prices", location: undefined, isCited: true }],
    usage,
    numSteps: 2,
    ms: 30,
  },
  waiting: undefined,
})
const call = { step: 1, callId: "c0", tool: "pay", arguments: '{"maxUsd":5}' }
const EVENTS: readonly AgentEvent[] = [
  { type: "started", runId: "run-1", agent: "till", model: "m" },
  { type: "recalled", facts: ["callId is mine"], numTurns: 1, hasSummary: false },
  { type: "step", step: 1, usage, expert: "copy", ms: 3 },
  { type: "text", step: 1, text: "Let me see." },
  { type: "call", ...call, isRepaired: false },
  { type: "confirm", ...call },
  outcomeOf("confirmation").ended,
]

describe("agentRunBody", () => {
  test("has the answer, the usage and the trace, with names as clients know them", () => {
    expect(JSON.parse(JSON.stringify(agentRunBody(head, EVENTS, outcomeOf("answered"))))).toEqual({
      id: "run-1",
      created: 7,
      agent: "till",
      object: "agent.run",
      status: "completed",
      output: "Paid.",
      sources: [{ number: 1, title: "Prices", is_cited: true }],
      usage: { prompt_tokens: 10, completion_tokens: 2, total_tokens: 12, cost_usd: 0.01 },
      steps: 2,
      duration_ms: 30,
      trace: [
        { type: "started", run_id: "run-1", agent: "till", model: "m" },
        { type: "recalled", facts: ["callId is mine"], num_turns: 1, has_summary: false },
        {
          type: "step",
          step: 1,
          usage: { prompt_tokens: 10, generated_tokens: 2, cost_usd: 0.01 },
          expert: "copy",
          ms: 3,
        },
        {
          type: "call",
          step: 1,
          call_id: "c0",
          tool: "pay",
          // What a model wrote stays as it is.
          arguments: '{"maxUsd":5}',
          is_repaired: false,
        },
        { type: "confirm", step: 1, call_id: "c0", tool: "pay", arguments: '{"maxUsd":5}' },
      ],
    })
  })

  test("says what waits for a person", () => {
    expect(agentRunBody(head, EVENTS, outcomeOf("confirmation"))).toMatchObject({
      status: "requires_confirmation",
      pending: [{ call_id: "c0", tool: "pay", arguments: '{"maxUsd":5}' }],
    })
  })

  test.each(["steps", "tokens", "time", "cost"] as const)("an answer that %s cut is incomplete", (end) => {
    const body = agentRunBody(head, EVENTS, outcomeOf(end))
    expect(body).toMatchObject({ status: "incomplete", incomplete_details: { reason: end }, output: "Paid." })
    expect(body).not.toHaveProperty("pending")
  })
})

test("agentEvent: one server-sent event by the event's name, on one line whatever it says", () => {
  const said = agentEvent({ type: "result", ...call, outcome: "done", text: "a\n\nevent: b", sources: [], ms: 1 })
  expect(said).toStartWith("event: result\ndata: {")
  expect(said.trimEnd().split("\n")).toHaveLength(2)
  expect(said).toEndWith("\n\n")
})
