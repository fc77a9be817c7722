import type { KnowledgeBase } from "../../knowledge/KnowledgeBase.ts"
import type { SearchProvider } from "./SearchProvider.ts"

/** Creates a provider that needs no network: it searches the documents of a knowledge base. */
export function createOfflineSearch(knowledge: KnowledgeBase): SearchProvider {
  return {
    search: async (query, limit) => {
      const passages = await knowledge.search(query, limit)
      return passages.map(({ document, headings, text }) => ({
        title: headings.at(-1) ?? document,
        location: document,
        snippet: text,
      }))
    },
  }
}
