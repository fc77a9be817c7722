import type { TableReader } from "@consilium/fleet"
import type { SearchSettings, WeatherSettings } from "./AgentSettings.ts"

const GEOCODING_URL = "https://geocoding-api.open-meteo.com"
const FORECAST_URL = "https://api.open-meteo.com"
const BRAVE_URL = "https://api.search.brave.com"
const USUAL_RESULTS = 3

/** Without a table nobody is asked: an agent works without a network. @throws TableError */
export function parseWeather(table: TableReader | undefined): WeatherSettings {
  const provider = table?.oneOf("provider", ["offline", "open-meteo"]) ?? "offline"
  const settings: WeatherSettings =
    table === undefined || provider === "offline"
      ? { provider: "offline" }
      : {
          provider,
          geocodingUrl: parseAddress(table, "geocoding-url") ?? GEOCODING_URL,
          forecastUrl: parseAddress(table, "forecast-url") ?? FORECAST_URL,
          keyEnv: table.variable("key-env"),
        }
  table?.end()
  return settings
}

/** @throws TableError */
export function parseSearch(table: TableReader | undefined): SearchSettings {
  if (table === undefined) return { provider: "offline", numResults: USUAL_RESULTS }
  const settings = { numResults: table.whole("results", 1, 20) ?? USUAL_RESULTS, ...parseEngine(table) }
  table.end()
  return settings
}

function parseEngine(table: TableReader) {
  const provider = table.oneOf("provider", ["offline", "searxng", "brave"]) ?? "offline"
  switch (provider) {
    case "offline":
      return { provider }
    case "searxng":
      return { provider, url: parseAddress(table, "url") ?? table.fail("url", "the address of an instance") }
    case "brave":
      return {
        provider,
        url: parseAddress(table, "url") ?? BRAVE_URL,
        keyEnv: table.variable("key-env") ?? table.fail("key-env", "the variable that holds its key"),
      }
  }
}

/** @throws TableError on what is no http address, or has a name in it: keys are read from the environment */
export function parseAddress(table: TableReader, key: string): string | undefined {
  const url = table.text(key)
  return url === undefined || isAddress(url) ? url : table.fail(key, "an http or https address without a name")
}

export function isAddress(text: string): boolean {
  if (!/^https?:\/\//i.test(text) || !URL.canParse(text)) return false
  const { username, password } = new URL(text)
  return username === "" && password === ""
}

/** Reads which header a key goes into, and the variable that holds it. @throws TableError */
export function parseKey(table: TableReader): { readonly header: string; readonly env: string } | undefined {
  const env = table.variable("key-env")
  const header = table.text("key-header")
  if (env === undefined) return header === undefined ? undefined : table.fail("key-env", "a variable with key-header")
  return { header: header ?? "authorization", env }
}
