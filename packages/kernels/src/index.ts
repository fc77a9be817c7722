export {
  type Activation,
  activationFunction,
  activationName,
  type ExpertActivation,
  expertActivation,
  type PlainActivation,
} from "./Activation.ts"
export type { Arena, CacheRows, Rows, Span, SpanUse } from "./Arena.ts"
export {
  type AttentionLayer,
  type Backend,
  type BackendName,
  type ExpertRows,
  type Op,
  PLAIN_OPS,
  type RopeTable,
  type RoutedLayer,
  type Slab,
  type SlotRows,
} from "./Backend.ts"
export { StateLostError } from "./StateLostError.ts"
export type { BackendCase } from "./BackendCase.ts"
export { BACKEND_CASES, checkBackend, checkCase, type FailedCase, failedCases } from "./backendCases.ts"
export { type CacheFormat, cacheValueBytes, fitsCache, pairDistance } from "./cacheFormat.ts"
export { cacheFormatOf, cacheMemory, cacheRowBytes, copyCacheRows } from "./cacheRows.ts"
export { composeBackends } from "./composeBackends.ts"
export { ArenaFullError } from "./ArenaFullError.ts"
export { type ArenaOptions, createArena, MAX_SEGMENT_BYTES } from "./createArena.ts"
export { findMemoryDomains } from "./memoryDomains.ts"
export { createReferenceBackend } from "./createReferenceBackend.ts"
export { addScaledRows, appendKeysAndValues, normAndRotate, normRows } from "./elementwise.ts"
export { embedRows, type OpenMatrix, openMatrix, readF32Row, readIntegerRow, unpackMatrix } from "./openMatrix.ts"
export { type ExpertTensors, packExpertSlab, packMatrixSlab } from "./packSlab.ts"
export { createReadQueue, type ReadQueue } from "./ReadQueue.ts"
export { readInto, readSpans, type SpanRun } from "./readSpans.ts"
export { checkWidths, matrixOf } from "./slabChecks.ts"
export type { ExpertShape, Format, MatrixLayout, MatrixShape, SlabLayout } from "./SlabLayout.ts"
export { GROUP_ROWS, groupBytes, isRotated, LAYOUT_VERSION, planExpertSlab, planMatrixSlab } from "./SlabLayout.ts"
export { createX64Backend, type X64Options } from "./x64/createX64Backend.ts"
export type { Isa } from "./x64/Isa.ts"
export { bestIsa, runnableIsas } from "./x64/runnableIsas.ts"
export { withoutFailed } from "./withoutFailed.ts"
export { type Limits, measureLimits } from "./x64/measureLimits.ts"
