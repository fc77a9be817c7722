export { pickSlot, type SlotChoice, type SlotMemory } from "./pickSlot.ts"
export { planStep, type SequenceState, type StepBudget } from "./planStep.ts"
export type { StepEntry, StepPlan } from "./StepPlan.ts"
