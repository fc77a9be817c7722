export { balanceBias, type BiasStep } from "./balanceBias.ts"
export { type LinearRouter, linearLogits, type MlpRouter, mlpLogits } from "./linearRouter.ts"
export {
  expertCapacity,
  type MoeSettings,
  MoeSettingsError,
  type ParsedMoeSettings,
  parseMoeSettings,
} from "./parseMoeSettings.ts"
export { maskSleeping } from "./maskSleeping.ts"
export { drawRouterNoise } from "./drawRouterNoise.ts"
export { route } from "./route.ts"
export type { RouterConfig, SparsemixerConfig, TopKRouterConfig } from "./RouterConfig.ts"
export { createRouteScratch, type RouteOptions, type RouteScratch } from "./RouteScratch.ts"
export { type RoutingDrift, routingDrift } from "./routingDrift.ts"
export { createRouting, type Routing } from "./Routing.ts"
