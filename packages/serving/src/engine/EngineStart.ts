import { Schema } from "effect"
import { Desired, RoutingPolicy } from "../control.ts"

/** What an engine process is started with: JSON on its standard input. */
export const EngineStart = Schema.Struct({
  modelId: Schema.String,
  /** The checkpoint: its config is read again. */
  sourceDir: Schema.String,
  preparedDir: Schema.String,
  /** A user's decoder in ONNX, which is run in place of a prepared model: both directories are its own. */
  onnxModel: Schema.optionalKey(Schema.String),
  backend: Schema.Literals(["auto", "reference", "onnx", "x64", "gpu"]),
  numThreads: Schema.Int.check(Schema.isGreaterThan(0)),
  numSlots: Schema.Int.check(Schema.isGreaterThan(0)),
  /** Most positions of a sequence; absent: the model's own, as far as memory allows. */
  contextLength: Schema.optionalKey(Schema.Int.check(Schema.isGreaterThan(0))),
  memoryBytes: Schema.Int.check(Schema.isGreaterThan(0)),
  /** Most bytes of a GPU's memory; absent: all of it. */
  gpuMemoryBytes: Schema.optionalKey(Schema.Int.check(Schema.isGreaterThan(0))),
  /** Memory domains; absent: the machine's NUMA nodes. */
  memoryDomains: Schema.optionalKey(Schema.Int.check(Schema.isGreaterThan(0))),
  maxWaiting: Schema.Int.check(Schema.isGreaterThan(0)),
  debug: Schema.Int,
  /** Faults may be injected. */
  enablesFaults: Schema.Boolean,
  /** Experts that nobody used for so long fall asleep; null: never. */
  expertIdleMs: Schema.NullOr(Schema.Finite),
  /** Whether failover may change the text: route around a failed expert, or do without it. */
  allowsOtherText: Schema.Boolean,
  routing: RoutingPolicy,
  /** What operators have asked for that outlives an engine. */
  desired: Desired,
  /** An engine before this one, of the same start, passed its self-test: it is not done again. */
  isTested: Schema.Boolean,
  /** An earlier engine of this service was ready: requests may be in flight. */
  isRestart: Schema.Boolean,
})
export type EngineStart = typeof EngineStart.Type
