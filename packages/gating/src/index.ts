export { type LinearRouter, linearLogits, type MlpRouter, mlpLogits } from "./linearRouter.ts"
export {
  expertCapacity,
  type MoeSettings,
  MoeSettingsError,
  type ParsedMoeSettings,
  parseMoeSettings,
} from "./parseMoeSettings.ts"
export { route } from "./route.ts"
export type { RouterConfig, SparsemixerConfig, TopKRouterConfig } from "./RouterConfig.ts"
export { createRouteScratch, type RouteOptions, type RouteScratch } from "./RouteScratch.ts"
export { createRouting, type Routing } from "./Routing.ts"
