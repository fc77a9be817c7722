export { computeLogits } from "./computeLogits.ts"
export { stateBytesPerPosition } from "./LayerState.ts"
export { weightBytes } from "./loadWeights.ts"
export { NonFiniteError } from "./NonFiniteError.ts"
export type { BatchSlot, StepBatch } from "./StepBatch.ts"
export {
  createTransformer,
  type LayerView,
  type ModelExperts,
  type Transformer,
  type TransformerOptions,
} from "./Transformer.ts"
