import { ToolError } from "../AgentTool.ts"
import { hasHanzi } from "./hasHanzi.ts"
import { CONDITIONS } from "./conditions.ts"
import { SAMPLE_CITIES } from "./sampleCities.ts"
import type { Condition, WeatherProvider } from "./WeatherProvider.ts"

interface SampleCity {
  readonly en: string
  readonly zh: string
  /** Of January, April, July and October. */
  readonly seasons: readonly { readonly temperatureC: number; readonly condition: Condition }[]
}

const LETTERS = new Map<string, Condition>([
  ["s", CONDITIONS.sunny],
  ["p", CONDITIONS.partlyCloudy],
  ["c", CONDITIONS.cloudy],
  ["f", CONDITIONS.foggy],
  ["l", CONDITIONS.lightRain],
  ["r", CONDITIONS.rain],
  ["t", CONDITIONS.thunderstorms],
  ["n", CONDITIONS.snow],
])

const SOURCE = { title: "offline sample of the seasons, no forecast", location: undefined }

/**
 * Creates a provider that needs no network: it says what a season is usually like in some well-known cities.
 *
 * Its results are marked as an offline sample.
 */
export function createOfflineWeather(nowMs: () => number): WeatherProvider {
  const cities = new Map<string, SampleCity>()
  for (const row of SAMPLE_CITIES) {
    const city = readCity(row)
    cities.set(nameKey(city.en), city)
    cities.set(nameKey(city.zh), city)
  }
  return {
    weatherIn: async (name) => {
      const city = cities.get(nameKey(name))
      if (city === undefined) throw new ToolError(`unknown city: ${name}`)
      const season = city.seasons[seasonOf(new Date(nowMs()).getUTCMonth())]!
      return { city: hasHanzi(name) ? city.zh : city.en, ...season, origin: "offline sample", source: SOURCE }
    },
  }
}

/** December to February are one season. */
function seasonOf(month: number): number {
  return Math.floor(((month + 1) % 12) / 3)
}

function readCity(row: string): SampleCity {
  const [en, zh, ...figures] = row.split(" | ") as [string, string, ...string[]]
  const seasons = figures.map((figure) => {
    const condition = LETTERS.get(figure.at(-1)!)
    if (condition === undefined) throw new Error(`expected a letter of the sky in "${row}"`)
    return { temperatureC: Number(figure.slice(0, -1)), condition }
  })
  return { en, zh, seasons }
}

/** `São Paulo`, `sao paulo, Brazil` and `SAO PAULO` are one city. */
function nameKey(name: string): string {
  const plain = name.normalize("NFKD").replaceAll(/\p{M}/gu, "")
  return plain.split(/[,，]/)[0]!.trim().toLowerCase().replace(/市$/, "")
}
