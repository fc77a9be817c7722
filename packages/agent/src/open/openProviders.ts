import type { SearchSettings, WeatherSettings } from "../config/AgentSettings.ts"
import type { KnowledgeBase } from "../knowledge/KnowledgeBase.ts"
import type { FetchRules } from "../tools/http/fetchSafely.ts"
import { createBrave } from "../tools/search/createBrave.ts"
import { createOfflineSearch } from "../tools/search/createOfflineSearch.ts"
import { createSearxng } from "../tools/search/createSearxng.ts"
import type { SearchProvider } from "../tools/search/SearchProvider.ts"
import { createOfflineWeather } from "../tools/weather/createOfflineWeather.ts"
import { createOpenMeteo } from "../tools/weather/createOpenMeteo.ts"
import type { WeatherProvider } from "../tools/weather/WeatherProvider.ts"
import { type Environment, readKey } from "./readKey.ts"

interface Surroundings {
  /** Of the agent's table, for errors. */
  readonly path: string
  readonly rules: FetchRules
  readonly environment: Environment
}

/** @throws AgentSettingsError where the environment lacks its key */
export function openWeather(
  settings: WeatherSettings,
  { path, rules, environment, nowMs }: Surroundings & { readonly nowMs: () => number },
): WeatherProvider {
  if (settings.provider === "offline") return createOfflineWeather(nowMs)
  const { keyEnv, geocodingUrl, forecastUrl } = settings
  const key = keyEnv === undefined ? undefined : readKey(keyEnv, environment, `${path}.weather`)
  return createOpenMeteo({ geocodingUrl, forecastUrl, key, rules })
}

/** @throws AgentSettingsError where the environment lacks its key */
export function openSearch(
  settings: SearchSettings,
  { path, rules, environment, documents }: Surroundings & { readonly documents: KnowledgeBase },
): SearchProvider {
  switch (settings.provider) {
    case "offline":
      return createOfflineSearch(documents)
    case "searxng":
      return createSearxng(settings.url, rules)
    case "brave":
      return createBrave(settings.url, readKey(settings.keyEnv, environment, `${path}.search`), rules)
  }
}
