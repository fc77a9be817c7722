import type { AgentEvent, RunOutcome } from "@consilium/agent"

/** What every body of one run begins with. */
export interface RunHead {
  readonly id: string
  readonly created: number
  readonly agent: string
}

const STATUS = {
  answered: "completed",
  confirmation: "requires_confirmation",
  steps: "incomplete",
  tokens: "incomplete",
  time: "incomplete",
  cost: "incomplete",
} as const satisfies Readonly<Record<RunOutcome["ended"]["end"], string>>

/** Returns a run's body: what came of it, and how. */
export function agentRunBody(head: RunHead, events: readonly AgentEvent[], { ended }: RunOutcome): object {
  const { end, text, sources, usage, numSteps, ms } = ended
  const { promptTokens, generatedTokens, costUsd } = usage
  const status = STATUS[end]
  const pending = events.filter((event) => event.type === "confirm")
  return {
    ...head,
    object: "agent.run",
    status,
    ...(status === "incomplete" && { incomplete_details: { reason: end } }),
    output: text,
    sources: wire(sources),
    ...(status === "requires_confirmation" && {
      pending: pending.map(({ callId, tool, arguments: args }) => ({ call_id: callId, tool, arguments: args })),
    }),
    usage: {
      prompt_tokens: promptTokens,
      completion_tokens: generatedTokens,
      total_tokens: promptTokens + generatedTokens,
      cost_usd: costUsd,
    },
    steps: numSteps,
    duration_ms: ms,
    trace: events.filter(({ type }) => type !== "text" && type !== "ended").map(wire),
  }
}

/** Returns the server-sent event of what happens in a run. */
export function agentEvent(event: AgentEvent): string {
  return `event: ${event.type}\ndata: ${JSON.stringify(wire(event))}\n\n`
}

/** As clients read it: names of fields in snake case, like those of OpenAI's protocol. */
function wire(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(wire)
  if (typeof value !== "object" || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, field]) => [snakeCase(name), wire(field)]))
}

const snakeCase = (name: string): string => name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
