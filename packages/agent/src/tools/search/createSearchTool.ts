import type { AgentTool, ToolResult } from "../AgentTool.ts"
import type { SearchProvider, SearchResult } from "./SearchProvider.ts"

const MOST_SNIPPET = 300
const MOST_TITLE = 120

/**
 * Creates the tool `search_web`, with the schema and results that the mini model was trained on.
 *
 * @param numResults most results of one search
 */
export function createSearchTool(provider: SearchProvider, numResults: number): AgentTool {
  return {
    name: "search_web",
    description: "Search the web.",
    parameters: {
      type: "object",
      properties: { query: { type: "string", description: "Search query" } },
      required: ["query"],
    },
    changes: false,
    run: async (args, { signal }) => list(await provider.search(String(args["query"]).trim(), numResults, signal)),
  }
}

function list(results: readonly SearchResult[]): ToolResult {
  if (results.length === 0) return { text: "no results" }
  const shown = results.map(({ title, location, snippet }) => ({
    title: shorten(title, MOST_TITLE),
    location,
    snippet: shorten(snippet, MOST_SNIPPET),
  }))
  return {
    text: shown.map(({ title, snippet }, index) => `${index + 1}. ${title}\n${snippet}`).join("\n\n"),
    sources: shown.map(({ title, location }) => ({ title, location })),
  }
}

/** In one line, without the tags that services mark found words with, and cut at a word. */
function shorten(text: string, most: number): string {
  const line = text
    .replaceAll(/<\/?[a-z][^>]*>/gi, "")
    .replaceAll(/\s+/g, " ")
    .trim()
  if (line.length <= most) return line
  const cut = line.slice(0, most)
  return `${cut.slice(0, Math.max(cut.lastIndexOf(" "), most / 2))}…`
}
