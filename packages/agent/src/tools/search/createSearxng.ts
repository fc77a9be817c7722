import { Schema } from "effect"
import { fetchJson } from "../http/fetchJson.ts"
import type { FetchRules } from "../http/fetchSafely.ts"
import type { SearchProvider } from "./SearchProvider.ts"

const Found = Schema.Struct({
  results: Schema.Array(
    Schema.Struct({ title: Schema.String, url: Schema.String, content: Schema.optional(Schema.NullOr(Schema.String)) }),
  ),
})

/**
 * Asks an instance of SearXNG, whose settings must allow the format `json`.
 *
 * @param url of the instance, such as http://127.0.0.1:8080; on a private network, the rules must allow its host
 */
export function createSearxng(url: string, rules: FetchRules): SearchProvider {
  return {
    search: async (query, limit, signal) => {
      const full = new URL(`${url.replace(/\/$/, "")}/search`)
      full.searchParams.set("q", query)
      full.searchParams.set("format", "json")
      const { results } = await fetchJson("SearXNG", Found, full, {}, rules, signal)
      return results
        .slice(0, limit)
        .map(({ title, url, content }) => ({ title, location: url, snippet: content ?? "" }))
    },
  }
}
