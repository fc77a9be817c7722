import type { ModelOfRun } from "../agents/AgentService.ts"
import type { OpenedAgents } from "../agents/openAgents.ts"
import type { AgentSettings, ASSISTANT_NAME } from "@consilium/agent"
import type { AgentDeps } from "../http/AgentDeps.ts"
import { ApiError } from "../http/ApiError.ts"
import { loadTable, SETTINGS_FILE } from "../settings/loadSettings.ts"
import type { Settings } from "../settings/Settings.ts"

/** Where a service's agents live. */
export interface AgentHouse extends Pick<AgentDeps, "agentNames" | "agents"> {
  readonly close: () => Promise<void>
}

/** Of the agent that there is without a table. */
const USUAL_NAME: typeof ASSISTANT_NAME = "assistant"

/**
 * Opens the agents of the settings' file, or makes ready to open the one that there is without any when somebody asks for it: a start does not wait
 * for what few starts need.
 *
 * @param createModels returns what gives them their models; told of their settings, to check whom they name
 * @throws what opening them does, where the file has some
 */
export async function openAgentHouse(
  settings: Settings,
  createModels: (agents: readonly AgentSettings[]) => Promise<ModelOfRun>,
): Promise<AgentHouse> {
  const table = loadTable(SETTINGS_FILE, "agents")
  let opening: Promise<OpenedAgents> | undefined
  const open = async (): Promise<OpenedAgents> => {
    const [{ ASSISTANT, parseAgents }, { openAgents }, { agentSurroundings }] = await Promise.all([
      import("@consilium/agent"),
      import("../agents/openAgents.ts"),
      import("./agentSurroundings.ts"),
    ])
    const agents = table === undefined ? [ASSISTANT] : parseAgents(table, SETTINGS_FILE)
    return openAgents({
      agents,
      modelOf: await createModels(agents),
      ...agentSurroundings(settings),
    })
  }
  const once = (): Promise<OpenedAgents> => {
    opening ??= open().catch((error: unknown) => {
      // A full disk today is none tomorrow.
      opening = undefined
      throw error
    })
    return opening
  }
  let told: string | undefined
  const refuse = (error: unknown): never => {
    const words = error instanceof Error ? error.message : String(error)
    // Each request tries anew: one line says it as long as nothing else is the matter.
    if (words !== told) console.error(`agents cannot be opened: ${words}`)
    told = words
    throw notOpened()
  }
  if (table !== undefined) await once()
  return {
    agentNames: table === undefined ? [USUAL_NAME] : Object.keys(table as object),
    agents: async () => (await once().catch(refuse)).service,
    close: async () => {
      // Whoever asked has been told why it failed.
      const opened = await opening?.catch(() => undefined)
      await opened?.close()
    },
  }
}

/** Why is the operator's to know: it names files of this machine. */
function notOpened(): ApiError {
  const message = "The agents cannot be opened at the moment: the service's log says why."
  return new ApiError({ status: 503, type: "unavailable_error", code: "agents_unavailable", message })
}
