import { Schema } from "effect"
import { fetchJson } from "../http/fetchJson.ts"
import type { FetchRules } from "../http/fetchSafely.ts"
import type { SearchProvider } from "./SearchProvider.ts"

const Found = Schema.Struct({
  web: Schema.optional(
    Schema.Struct({
      results: Schema.Array(
        Schema.Struct({ title: Schema.String, url: Schema.String, description: Schema.optional(Schema.String) }),
      ),
    }),
  ),
})

/**
 * Asks a search service of Brave's form.
 *
 * @param url as https://api.search.brave.com
 * @param key goes into a header, and nowhere else
 */
export function createBrave(url: string, key: string, rules: FetchRules): SearchProvider {
  return {
    search: async (query, limit, signal) => {
      const full = new URL(`${url.replace(/\/$/, "")}/res/v1/web/search`)
      full.searchParams.set("q", query)
      full.searchParams.set("count", String(limit))
      const { web } = await fetchJson("Brave Search", Found, full, { "x-subscription-token": key }, rules, signal)
      return (web?.results ?? [])
        .slice(0, limit)
        .map(({ title, url, description }) => ({ title, location: url, snippet: description ?? "" }))
    },
  }
}
