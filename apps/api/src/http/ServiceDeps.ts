import type { EngineApi, ModelText } from "@consilium/serving"
import type { ServiceMetrics } from "./ServiceMetrics.ts"

/** What routes work with; made once, passed in. */
export interface ServiceDeps {
  readonly engine: EngineApi
  readonly text: ModelText
  readonly modelId: string
  /** Seconds since 1970 at which the service began. */
  readonly created: number
  readonly metrics: ServiceMetrics
  /** Says what is worth knowing at debug level 1. */
  readonly debug: (line: string) => void
}
