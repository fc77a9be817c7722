import type { KnowledgeBase, Passage } from "../knowledge/KnowledgeBase.ts"
import type { AgentTool } from "./AgentTool.ts"

/**
 * Creates the tool `search_knowledge`: passages of documents, numbered in the order of their sources.
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
      if (passages.length === 0) return { text: "no results" }
      return {
        text: passages.map((passage, index) => `[${index + 1}] ${titleOf(passage)}\n${passage.text}`).join("\n\n"),
        sources: passages.map((passage) => ({ title: titleOf(passage), location: passage.document })),
      }
    },
  }
}

function titleOf({ document, headings }: Passage): string {
  return [document, ...headings].join(" › ")
}
