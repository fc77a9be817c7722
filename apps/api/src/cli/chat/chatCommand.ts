import { GREEDY } from "@consilium/model"
import { type ChatMessage, complete, type CompletionDeps, Engine, loadModelText } from "@consilium/serving"
import { Effect, ManagedRuntime } from "effect"
import type { ServiceDeps } from "../../http/ServiceDeps.ts"
import type { Settings } from "../../settings/Settings.ts"
import { type Command, UsageError } from "../Command.ts"
import { engineStart } from "../engineStart.ts"
import { locateModel, prepare } from "../openModel.ts"
import { parseCommandLine } from "../parseCommandLine.ts"
import type { AgentChatOptions } from "./agentAnswer.ts"
import { type Answer, converse } from "./converse.ts"
import { remoteAnswer } from "./remoteAnswer.ts"

export const chatCommand: Command = {
  name: "chat",
  summary: "talks with a model or an agent in the terminal",
  usage: "[settings] [--system TEXT] [--tools] [--agent NAME] [--user NAME] [--knowledge DIR] [--url URL]",
  options:
    "  --system TEXT    instructions for the model\n" +
    "  --tools          lets it calculate, look up the weather and search, without a network\n" +
    "  --agent NAME     talks to an agent of consilium.toml, with its tools (assistant)\n" +
    "  --user NAME      whose facts it remembers\n" +
    "  --knowledge DIR  documents that it searches and cites, with --tools\n" +
    "  --url URL        talks to a running service (http://127.0.0.1:8080) instead of starting an engine\n" +
    "  /exit or Ctrl-D ends the conversation, /new begins another, Ctrl-C interrupts an answer.",
  example: "consilium chat --tools",
  async run(args) {
    const { settings, own, ownSwitches } = parseCommandLine(
      args,
      ["system", "url", "agent", "user", "knowledge"],
      ["tools"],
    )
    const last = (name: string): string | undefined => own[name]?.at(-1)
    const system = last("system")
    const opening: ChatMessage[] = system === undefined ? [] : [{ role: "system", content: system }]
    const hasAgent = ownSwitches.has("tools") || last("agent") !== undefined
    const alone = ["user", "knowledge"].find((name) => last(name) !== undefined)
    if (!hasAgent && alone !== undefined) throw new UsageError(`--${alone}: expected --tools or --agent beside it`)
    const agent = hasAgent ? { agent: last("agent"), user: last("user"), knowledge: last("knowledge") } : undefined
    const url = last("url")
    await (url === undefined ? talkHere(settings, opening, agent) : talkThere(url, settings, opening, agent))
    return 0
  },
}

/** Talks to a running service. @throws UsageError on documents, which are its own matter */
async function talkThere(
  url: string,
  { "api-key": apiKey }: Settings,
  opening: readonly ChatMessage[],
  agent: AgentChatOptions | undefined,
): Promise<void> {
  if (agent === undefined) return converse(opening, remoteAnswer(url, apiKey))
  if (agent.knowledge !== undefined)
    throw new UsageError("--knowledge: expected none with --url, whose agents have theirs")
  const { remoteAgentAnswer } = await import("./remoteAgentAnswer.ts")
  return converse(opening, remoteAgentAnswer(url, apiKey, agent))
}

/** Starts an engine, and talks to it. */
async function talkHere(
  settings: Settings,
  opening: readonly ChatMessage[],
  agent: AgentChatOptions | undefined,
): Promise<void> {
  // An agent that is not there is known before a model is loaded for nothing.
  const talk = agent === undefined ? talkToModel(opening) : await talkToAgent(agent, settings, opening)
  const model = await locateModel(settings.model, settings["cache-dir"])
  const prepared = await prepare(model, settings)
  const text = loadModelText(model.dir)
  const start = { ...engineStart(model, prepared.dir, settings), numSlots: 1 }
  const runtime = ManagedRuntime.make(Engine.layer({ start, maxQueue: 1 }))
  try {
    const engine = await runtime.runPromise(Engine.use(Effect.succeed))
    await runtime.runPromise(engine.ready)
    console.error(`${model.modelId}, ${settings.format}. /exit ends.`)
    await talk({ engine, text, modelId: model.modelId })
  } finally {
    await runtime.dispose()
  }
}

type Talk = (deps: Pick<ServiceDeps, "engine" | "text" | "modelId">) => Promise<void>

const talkToModel =
  (opening: readonly ChatMessage[]): Talk =>
  (deps) =>
    converse(opening, localAnswer(deps))

/** @throws UsageError (rejects) where there is no such agent */
async function talkToAgent(
  agent: AgentChatOptions,
  settings: Settings,
  opening: readonly ChatMessage[],
): Promise<Talk> {
  const { chooseAgent, withAgent } = await import("./agentAnswer.ts")
  const chosen = chooseAgent(agent)
  return (deps) => withAgent(deps, settings, chosen, (answer) => converse(opening, answer))
}

const localAnswer =
  (deps: CompletionDeps): Answer =>
  async (messages, { say, signal }) => {
    const telling = complete(
      {
        requestId: crypto.randomUUID(),
        prompt: { kind: "chat", messages, tools: [] },
        numChoices: 1,
        sampling: GREEDY,
        seed: 0,
        maxTokens: undefined,
        stop: [],
        numTopLogProbs: undefined,
        trace: false,
      },
      deps,
      (event) => {
        if (event.type === "text") say(event.text)
      },
    )
    await Effect.runPromise(telling, { signal })
  }
