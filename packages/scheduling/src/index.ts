export {
  type CalendarDate,
  calendarFactor,
  type CalendarEvent,
  type EventCalendar,
  type Occurrence,
  occurrencesBetween,
  strongest,
} from "./EventCalendar.ts"
export {
  beginProbe,
  BREAKER_POLICY,
  type BreakerEvent,
  type BreakerPolicy,
  type BreakerState,
  type BreakerSubject,
  createBreaker,
  type ExpertBreaker,
  noteFailure,
  noteProbePassed,
  noteSuccess,
  reopenBreaker,
} from "./ExpertBreaker.ts"
export {
  createOutputNorms,
  forgetOutputNorms,
  learnOutputNorm,
  noticeOutputNorm,
  type OutputNorms,
} from "./OutputNorms.ts"
export { balancedness, copiesPerExpert, domainLoads, type Placement } from "./Placement.ts"
export { placeExperts, type PlacementShape } from "./placeExperts.ts"
export { type ExpertMove, type MoveCost, planMoves } from "./planMoves.ts"
export { expertWork } from "./expertWork.ts"
export { planTiers, type Tier, type TierCost, type TierLayer, type TierMove } from "./planTiers.ts"
export { fitForecast, forecastLoad, type LoadForecast, observeWindow, type Smoothing } from "./forecastLoad.ts"
export { CalendarError, parseCalendar, refuseUnknownExperts } from "./parseCalendar.ts"
export {
  createScalePlanner,
  FORECAST_WINDOW_MS,
  type LayerOrder,
  PLAN_MS,
  SCALE_TUNING,
  type ScaleMinute,
  type ScaleOrder,
  type ScalePlanner,
  type ScaleTuning,
} from "./ScalePlanner.ts"
export {
  type Demand,
  type DemandBasis,
  expectDemand,
  planScale,
  type ScalePlan,
  type ScalePolicy,
  type ScaleState,
} from "./planScale.ts"
export { LEAST_CHUNK_ROWS, paceChunk, type StepPace } from "./paceChunk.ts"
export { LEAST_REUSED, pickSlot, type SlotChoice, type SlotWait } from "./pickSlot.ts"
export {
  type ExpertFault,
  type FailoverAttempt,
  type FailoverMeans,
  type FailoverRung,
  type FaultKind,
  planFailover,
} from "./planFailover.ts"
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
