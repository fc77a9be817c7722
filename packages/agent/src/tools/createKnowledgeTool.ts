import type { KnowledgeBase } from "../knowledge/KnowledgeBase.ts"
import { sourcedText } from "../knowledge/sourcedText.ts"
import type { AgentTool } from "./AgentTool.ts"

/**
 * Creates the tool `search_knowledge`: passages of documents, for an answer to cite.
 *
 * @param numPassages most passages of one search
 */
export function createKnowledgeTool(knowledge: KnowledgeBase, numPassages: number): AgentTool {
  return {
    name: "search_knowledge",
    description: "Search the documents of this house.",
    parameters: {
      type: "object",
      properties: { query: { type: "string", description: "Search query" } },
      required: ["query"],
    },
    changes: false,
    run: async (args) => {
      const passages = await knowledge.search(String(args["query"]).trim(), numPassages)
      return passages.length === 0 ? { text: "no results" } : { text: "", passages: passages.map(sourcedText) }
    },
  }
}
