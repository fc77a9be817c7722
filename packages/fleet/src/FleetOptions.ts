import type { EventCalendar } from "@consilium/scheduling"
import type { FleetConfig } from "./config/FleetConfig.ts"
import type { LocalModel } from "./local/LocalEngines.ts"
import type { Embedder } from "./router/embed/Embedder.ts"
import type { RequestRouter } from "./router/RequestRouter.ts"

/** What a fleet is opened with. */
export interface FleetOptions {
  readonly config: FleetConfig
  /** Of each local expert, by name. */
  readonly locals: readonly LocalModel[]
  /** For all local experts together. */
  readonly memoryBytes: number
  /** Keys of remote experts, by name. */
  readonly keys: Readonly<Record<string, string>>
  /** Events that bring experts load. */
  readonly calendar?: EventCalendar
  /** What `loadFleetRouter` returns, or any other; words decide where there is none. */
  readonly router?: RequestRouter
  /** What `openEmbedder` returns, or any other; whoever opened it closes it. Routers that want embeddings want one. */
  readonly embedder?: Embedder
}
