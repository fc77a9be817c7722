import { Schema } from "effect"
import { ToolError } from "../AgentTool.ts"
import { fetchJson } from "../http/fetchJson.ts"
import type { FetchRules } from "../http/fetchSafely.ts"
import { hasHanzi } from "./hasHanzi.ts"
import { conditionOf } from "./conditions.ts"
import type { WeatherProvider } from "./WeatherProvider.ts"

export interface OpenMeteoOptions {
  /** As of https://geocoding-api.open-meteo.com */
  readonly geocodingUrl: string
  /** As of https://api.open-meteo.com */
  readonly forecastUrl: string
  /** Of customers' endpoints; undefined for the free ones. */
  readonly key: string | undefined
  readonly rules: FetchRules
}

const Places = Schema.Struct({
  results: Schema.optional(
    Schema.Array(Schema.Struct({ name: Schema.String, latitude: Schema.Number, longitude: Schema.Number })),
  ),
})

const Forecast = Schema.Struct({
  current: Schema.Struct({
    temperature_2m: Schema.Number,
    weather_code: Schema.Number,
    relative_humidity_2m: Schema.optional(Schema.Number),
    wind_speed_10m: Schema.optional(Schema.Number),
  }),
})

const SOURCE = { title: "Open-Meteo", location: "https://open-meteo.com/" }

/** Asks a service of Open-Meteo's form: the place of a city's name, then its current weather. */
export function createOpenMeteo({ geocodingUrl, forecastUrl, key, rules }: OpenMeteoOptions): WeatherProvider {
  const ask = <A>(
    shape: Schema.Codec<A, unknown>,
    url: string,
    query: Readonly<Record<string, string>>,
    signal: AbortSignal,
  ): Promise<A> => {
    const full = new URL(url)
    for (const [name, value] of Object.entries(query)) full.searchParams.set(name, value)
    if (key !== undefined) full.searchParams.set("apikey", key)
    return fetchJson(SOURCE.title, shape, full, {}, rules, signal)
  }
  return {
    weatherIn: async (city, signal) => {
      const language = hasHanzi(city) ? "zh" : "en"
      const { results } = await ask(Places, `${geocodingUrl}/v1/search`, { name: city, count: "1", language }, signal)
      const place = results?.[0]
      if (place === undefined) throw new ToolError(`unknown city: ${city}`)
      const { current } = await ask(
        Forecast,
        `${forecastUrl}/v1/forecast`,
        {
          latitude: String(place.latitude),
          longitude: String(place.longitude),
          current: "temperature_2m,weather_code,relative_humidity_2m,wind_speed_10m",
        },
        signal,
      )
      return {
        city: place.name,
        temperatureC: current.temperature_2m,
        condition: conditionOf(current.weather_code),
        ...(current.relative_humidity_2m === undefined ? {} : { humidity: current.relative_humidity_2m }),
        ...(current.wind_speed_10m === undefined ? {} : { windKmh: current.wind_speed_10m }),
        origin: "forecast",
        source: SOURCE,
      }
    },
  }
}
