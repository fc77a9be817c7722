export { LEAST_CHUNK_ROWS, paceChunk, type StepPace } from "./paceChunk.ts"
export { LEAST_REUSED, pickSlot, type SlotChoice, type SlotWait } from "./pickSlot.ts"
export { planStep, type SequenceState, type StepBudget } from "./planStep.ts"
export type { SlotMemory } from "./SlotMemory.ts"
export { createStepPlan, type StepEntry, type StepPlan } from "./StepPlan.ts"
export {
  createEvictionPolicy,
  DEFAULT_EVICTION,
  EVICTION_NAMES,
  type EvictionName,
} from "./eviction/createEvictionPolicy.ts"
export type { EvictionPolicy, ExpertGrid } from "./eviction/EvictionPolicy.ts"
export {
  createPrefetchPlan,
  forecastFromPrevious,
  type LayerForecast,
  planPrefetch,
  type PrefetchPlan,
} from "./residency/planPrefetch.ts"
export { type LayerNeed, planResidency } from "./residency/planResidency.ts"
export { createResidency, freeFrame, type Residency, takeFrame } from "./residency/Residency.ts"
export { createResidencyPlan, type ResidencyPlan, type WaveList } from "./residency/ResidencyPlan.ts"
export { decodeTrace } from "./trace/decodeTrace.ts"
export { createTraceEncoder, encodeTrace, type TraceEncoder } from "./trace/encodeTrace.ts"
export type { ExpertTrace, TraceHeader, TraceStep } from "./trace/ExpertTrace.ts"
