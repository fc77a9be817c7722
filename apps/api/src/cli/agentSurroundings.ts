import { join } from "node:path"
import type { OpenAgentsOptions } from "../agents/openAgents.ts"
import type { Settings } from "../settings/Settings.ts"
import { openTableEmbedder } from "./openTableEmbedder.ts"

/** Returns what agents find around them on this machine, wherever they are talked to. */
export function agentSurroundings(settings: Settings): Omit<OpenAgentsOptions, "agents" | "modelOf"> {
  const { "agent-memory": memoryFile, "cache-dir": cacheDir } = settings
  return {
    memoryFile: memoryFile === "off" ? undefined : memoryFile,
    environment: process.env,
    openEmbedder: (agent, config) => openTableEmbedder(`agents.${agent}.embedder`, config, settings),
    knowledgeDir: join(cacheDir, "knowledge"),
    say: (line) => console.error(line),
  }
}
