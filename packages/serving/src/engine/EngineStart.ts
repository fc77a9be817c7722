import { Schema } from "effect"

/** What an engine process is started with: one JSON argument. */
export const EngineStart = Schema.Struct({
  modelId: Schema.String,
  /** The checkpoint: its config is read again. */
  sourceDir: Schema.String,
  preparedDir: Schema.String,
  backend: Schema.Literals(["auto", "reference", "onnx", "x64"]),
  numThreads: Schema.Int.check(Schema.isGreaterThan(0)),
  numSlots: Schema.Int.check(Schema.isGreaterThan(0)),
  /** Most positions of a sequence; absent: the model's own, as far as memory allows. */
  contextLength: Schema.optionalKey(Schema.Int.check(Schema.isGreaterThan(0))),
  memoryBytes: Schema.Int.check(Schema.isGreaterThan(0)),
  maxWaiting: Schema.Int.check(Schema.isGreaterThan(0)),
  debug: Schema.Int,
})
export type EngineStart = typeof EngineStart.Type
