import type { AgentTool } from "../AgentTool.ts"
import { plainJson } from "../plainJson.ts"
import { hasHanzi } from "./hasHanzi.ts"
import type { Weather, WeatherProvider } from "./WeatherProvider.ts"

/** Creates the tool `get_weather`, with the schema and results that the mini model was trained on. */
export function createWeatherTool(provider: WeatherProvider): AgentTool {
  return {
    name: "get_weather",
    description: "Get the current weather for a city.",
    parameters: {
      type: "object",
      properties: { city: { type: "string", description: "City name" } },
      required: ["city"],
    },
    changes: false,
    run: async (args, { signal }) => {
      const weather = await provider.weatherIn(String(args["city"]).trim(), signal)
      return { text: describe(weather), sources: [weather.source] }
    },
  }
}

function describe({ city, temperatureC, condition, humidity, windKmh, origin }: Weather): string {
  return plainJson({
    city,
    temperature: temperatureC,
    unit: "celsius",
    condition: hasHanzi(city) ? condition.zh : condition.en,
    humidity,
    wind_kmh: windKmh,
    source: origin,
  })
}
