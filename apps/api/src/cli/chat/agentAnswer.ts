import { keyIdOf } from "@consilium/cost"
import { type AgentEvent, ASSISTANT, parseAgents, type AgentSettings } from "@consilium/agent"
import { Effect } from "effect"
import { checkAgentModels } from "../../agents/checkAgentModels.ts"
import { createServedModels } from "../../agents/createServedModels.ts"
import { openAgents } from "../../agents/openAgents.ts"
import type { AgentCaller, AgentService } from "../../agents/AgentService.ts"
import type { ServiceDeps } from "../../http/ServiceDeps.ts"
import { loadTable, SETTINGS_FILE } from "../../settings/loadSettings.ts"
import type { Settings } from "../../settings/Settings.ts"
import { agentSurroundings } from "../agentSurroundings.ts"
import { UsageError } from "../Command.ts"
import type { Answer, Terminal } from "./converse.ts"

/** What the command line says of an agent. */
export interface AgentChatOptions {
  /** The assistant, unless given. */
  readonly agent: string | undefined
  readonly user: string | undefined
  /** A folder of documents that stands in for the agent's own. */
  readonly knowledge: string | undefined
}

/** An agent, and who talks to it. */
export interface ChosenAgent {
  readonly settings: AgentSettings
  readonly user: string | undefined
}

/** Returns an agent of the settings' file, or the assistant. @throws UsageError where there is none of this name, TableError */
export function chooseAgent({ agent: name = ASSISTANT.config.name, user, knowledge }: AgentChatOptions): ChosenAgent {
  const settings = findAgent(name)
  return { settings: knowledge === undefined ? settings : withDocuments(settings, knowledge), user }
}

/** Opens an agent, lets `use` talk to it, and closes it. @throws SettingError where it asks another model */
export async function withAgent(
  deps: Pick<ServiceDeps, "engine" | "text" | "modelId">,
  settings: Settings,
  { settings: agent, user }: ChosenAgent,
  use: (answer: Answer) => Promise<void>,
): Promise<void> {
  const { modelId } = deps
  checkAgentModels(
    [agent],
    (name) => ["auto", "default", modelId].includes(name),
    `"auto" or "${modelId}", which is alone here: a service with the fleet is asked by its --url`,
  )
  const surroundings = agentSurroundings(settings)
  const { service, close } = await openAgents({
    ...surroundings,
    agents: [agent],
    // Without a name nobody is remembered, and no file is made.
    memoryFile: user === undefined ? undefined : surroundings.memoryFile,
    modelOf: createServedModels({
      ...deps,
      costs: undefined,
      metrics: { observe() {}, observeGap() {} },
      noteRequest() {},
    }),
  })
  try {
    // As a client of a service with these settings: what was told to one is remembered by the other, and forgotten for both.
    const caller = { key: keyIdOf(settings["api-key"] ?? ""), domain: "" }
    await use(localAgentAnswer(service, { agent: agent.config.name, user, caller }))
  } finally {
    await close()
  }
}

function findAgent(name: string): AgentSettings {
  const table = loadTable(SETTINGS_FILE, "agents")
  const agents = table === undefined ? [ASSISTANT] : [...parseAgents(table, SETTINGS_FILE), ASSISTANT]
  const found = agents.find(({ config }) => config.name === name)
  if (found !== undefined) return found
  const names = agents.map(({ config }) => config.name).join(", ")
  throw new UsageError(`--agent: expected one of ${names}, found ${JSON.stringify(name)}`)
}

/** Of documents that somebody names for this talk: a model that searches none sees what is nearest all the same. */
const NUM_PASSAGES = 2

/** With documents of its own an agent searches them by name too. */
function withDocuments(settings: AgentSettings, folder: string): AgentSettings {
  const { config } = settings
  const tools = [...new Set([...config.tools, "search_knowledge"])]
  const numPassages = Math.max(config.numPassages, NUM_PASSAGES)
  return { ...settings, knowledge: [folder], config: { ...config, tools, numPassages } }
}

function localAgentAnswer(
  service: AgentService,
  { agent, user, caller }: { readonly agent: string; readonly user: string | undefined; readonly caller: AgentCaller },
): Answer {
  return async (messages, terminal) => {
    const { signal, conversation } = terminal
    const hear = (event: AgentEvent): void => show(event, terminal)
    const runId = `run-${crypto.randomUUID()}`
    const ask = {
      runId,
      agent,
      messages,
      user,
      conversation,
      confirmed: [],
      isStream: true,
      caller,
    }
    let outcome = await Effect.runPromise(service.run(ask, hear), { signal })
    while (outcome.waiting !== undefined) {
      const calls: Record<string, boolean> = {}
      for (const { callId, tool, arguments: args, status } of outcome.waiting.calls)
        if (status.kind === "waiting") calls[callId] = await terminal.confirm(`${tool}(${args})?`)
      outcome = await Effect.runPromise(service.decide({ runId, agent, calls, key: caller.key }, hear), { signal })
    }
  }
}

/** What of a run is worth a line beside the answer. */
type ShownEvent =
  | { readonly type: "text"; readonly text: string }
  | { readonly type: "call"; readonly tool: string; readonly arguments: string }
  | { readonly type: "result"; readonly outcome: string; readonly text: string }
  | { readonly type: "ended"; readonly end: string; readonly sources: readonly { readonly title: string }[] }
  | { readonly type: "started" | "recalled" | "passages" | "step" | "confirm" }

const MOST_SHOWN = 200

/** Shows what happens in a run: its text as the answer, calls and results beside it. */
export function show(event: ShownEvent, { say, note }: Pick<Terminal, "say" | "note">): void {
  switch (event.type) {
    case "text":
      return say(event.text)
    case "call":
      return note(`  ${event.tool}(${event.arguments})`)
    case "result": {
      const text = event.text.length > MOST_SHOWN ? `${event.text.slice(0, MOST_SHOWN)}…` : event.text
      return note(`  → ${event.outcome === "done" ? "" : `${event.outcome}: `}${text.replaceAll(/\s+/g, " ")}`)
    }
    case "ended":
      if (event.sources.length > 0)
        note(`  sources: ${event.sources.map(({ title }, i) => `[${i + 1}] ${title}`).join(", ")}`)
      if (event.end !== "answered" && event.end !== "confirmation") note(`  (ended by its limit: ${event.end})`)
  }
}
