import type { Agent, AgentRequest } from "./Agent.ts"
import type { RunState } from "./RunState.ts"

/** Returns a run at its beginning. @throws Error where the last message is not the user's */
export function startRun({ config }: Pick<Agent, "config">, request: AgentRequest): RunState {
  const { runId, messages, scope, confirmed } = request
  const turns = messages.filter(({ role }) => role !== "system")
  const question = turns.at(-1)
  if (question?.role !== "user")
    throw new Error(`run ${runId}: expected the user's message last, found ${question?.role ?? "none"}`)
  const instructions = [config.instructions, ...messages.filter(({ role }) => role === "system").map(contentOf)]
  return {
    runId,
    agent: config.name,
    scope,
    confirmed,
    context: {
      instructions: instructions.filter((text) => text !== "").join("\n\n"),
      history: turns.slice(0, -1),
      isRecalled: false,
      summary: undefined,
      facts: [],
      passages: [],
      question: question.content,
    },
    said: [],
    numSteps: 0,
    calls: [],
    answered: [],
    numBadSteps: 0,
    numRepeats: 0,
    usage: { promptTokens: 0, generatedTokens: 0, costUsd: 0 },
    sources: [],
    text: "",
    spentMs: 0,
    next: { kind: "recall" },
  }
}

const contentOf = ({ content }: { readonly content: string }): string => content
