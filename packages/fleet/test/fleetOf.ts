import type { EventCalendar } from "@consilium/scheduling"
import { Context, Effect, Layer, type Scope } from "effect"
import {
  type Embedder,
  Fleet,
  type FleetApi,
  type FleetConfig,
  type LocalModel,
  parseFleet,
  type RequestRouter,
} from "../src/index.ts"

/** The configuration of a fleet as its TOML says, without the `[fleet]` header. */
export function fleetOf(toml: string): FleetConfig {
  return parseFleet((Bun.TOML.parse(`[fleet]\n${toml}`) as { fleet: unknown }).fleet, "consilium.toml")
}

/** A router that knows the scores of each text; all others get 0. */
export function tableRouter(
  experts: readonly string[],
  table: Readonly<Record<string, readonly number[]>>,
): RequestRouter {
  return { experts, score: ({ text }) => Float32Array.from(table[text] ?? experts.map(() => 0)) }
}

interface OpenOptions {
  readonly router?: RequestRouter
  readonly locals?: readonly LocalModel[]
  readonly memoryBytes?: number
  readonly calendar?: EventCalendar
  readonly embedder?: Embedder
}

/** Opens a fleet in the test's scope. */
export const openFleet = (
  toml: string,
  { locals = [], memoryBytes = 2 ** 31, ...rest }: OpenOptions = {},
): Effect.Effect<FleetApi, never, Scope.Scope> => {
  const options = { config: fleetOf(toml), locals, memoryBytes, keys: {}, ...rest }
  return Effect.map(Layer.build(Fleet.layer(options)), (context) => Context.get(context, Fleet))
}
