import type { Source } from "../AgentTool.ts"

/** The sky in words, English and Chinese. */
export interface Condition {
  readonly en: string
  readonly zh: string
}

export interface Weather {
  readonly city: string
  readonly temperatureC: number
  readonly condition: Condition
  /** In percent. */
  readonly humidity?: number
  readonly windKmh?: number
  /** In a word or two, for the model. */
  readonly origin: string
  readonly source: Source
}

/** Knows the weather of cities, from wherever. */
export interface WeatherProvider {
  /** @throws ToolError (rejects) where it does not know the city, or cannot be asked */
  readonly weatherIn: (city: string, signal: AbortSignal) => Promise<Weather>
}
