export {
  type CreateMoeLayerOptions,
  createMoeLayer,
  type MoeOutput,
  type StandaloneMoeLayer,
} from "./createMoeLayer.ts"
export { createDeviceRoutedLayer, type DeviceRoutedLayer, readRouting, runOnDevice } from "./DeviceRoutedLayer.ts"
export { type ExpertSource, residentExperts } from "./ExpertSource.ts"
export { type DispatchPlan, numRowsOf } from "./DispatchPlan.ts"
export { moeLayer } from "./moeLayer.ts"
export { moeLayerPlain, type PlainExpert } from "./moeLayerPlain.ts"
export {
  createMoeScratch,
  type MoeConfig,
  type MoeLayer,
  type MoeOptions,
  type MoeScratch,
  type Router,
  type SharedExpert,
} from "./MoeWeights.ts"
