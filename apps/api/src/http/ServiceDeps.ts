import type { ModelFormats } from "@consilium/model"
import type { DesiredFile, EngineApi, ModelText } from "@consilium/serving"
import type { AgentDeps } from "./AgentDeps.ts"
import type { RequestCosts } from "./RequestCosts.ts"
import type { ServiceMetrics } from "./ServiceMetrics.ts"

/** What an operator's routes of one model work with. */
export interface ModelDeps {
  readonly engine: EngineApi
  readonly text: ModelText
  readonly modelId: string
  /** What packing another version of an expert wants to know. */
  readonly packing: {
    readonly sourceDir: string
    readonly preparedDir: string
    readonly formats: ModelFormats
    readonly swapDir: string | undefined
  }
  readonly desired: Pick<DesiredFile, "failNext">
}

/** What routes work with; made once, passed in. */
export interface ServiceDeps extends ModelDeps, AgentDeps {
  /** Seconds since 1970 at which the service began. */
  readonly created: number
  readonly metrics: ServiceMetrics
  /** Undefined where nobody asks what requests cost. */
  readonly costs: RequestCosts | undefined
  /** Told of each request for an answer. */
  readonly noteRequest: () => void
  /** Says what is worth knowing at debug level 1. */
  readonly debug: (line: string) => void
  /** Names fields of requests that nobody knows, each once. */
  readonly noteUnknownFields: (names: readonly string[]) => void
}

/** Most names that are remembered: they come from clients. */
const MAX_NOTED = 1000

/** @param debug is told of each name once */
export function createUnknownFieldNotes(debug: (line: string) => void): ServiceDeps["noteUnknownFields"] {
  const noted = new Set<string>()
  return (names) => {
    for (const name of names) {
      if (noted.has(name) || noted.size >= MAX_NOTED) continue
      noted.add(name)
      debug(`ignored an unknown field: ${JSON.stringify(name.slice(0, 100))}`)
    }
  }
}
