/**
 * The one versioned message schema between the HTTP process and an engine process. Nothing else passes.
 *
 * Towards the engine go requests (`generate`, `cancel`) and control (`status`, `drain`); back come events, those of one step together:
 * `{ version, events }`. Both sides decode what arrives: a peer is not trusted.
 */
import { Schema } from "effect"
import { ControlCommand, ControlResult, ExpertChange, Quarantined } from "./control.ts"

export const PROTOCOL_VERSION = 1

const Count = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))
const Id = Count

const Sampling = Schema.Struct({
  temperature: Schema.Finite,
  topK: Count,
  topP: Schema.Finite,
  minP: Schema.Finite,
  repetitionPenalty: Schema.Finite,
  presencePenalty: Schema.Finite,
  frequencyPenalty: Schema.Finite,
  logitBias: Schema.Array(Schema.Tuple([Id, Schema.Finite])),
})

/** Asks for a continuation of `ids`. */
export const Generate = Schema.Struct({
  type: Schema.Literal("generate"),
  requestId: Schema.String,
  /** Prompt ids, and after them the ids that an earlier engine had already generated. */
  ids: Schema.Array(Id),
  /** How many of `ids`, at the end, were generated: draws and penalties go on from there. */
  resumeFrom: Count,
  sampling: Sampling,
  seed: Count,
  /** Which of `n` choices this is: a draw depends on seed, choice and position only. */
  choice: Count,
  /** Most ids to generate, those of `resumeFrom` included. */
  maxTokens: Count,
  stopIds: Schema.Array(Id),
  /** Best alternatives to report per token; 0 reports the chosen one alone, absent nothing. */
  numTopLogProbs: Schema.optionalKey(Count),
  trace: Schema.Boolean,
})
export type Generate = typeof Generate.Type

/** Asks the engine to forget a request; its slot is free within one step. */
const Cancel = Schema.Struct({ type: Schema.Literal("cancel"), requestId: Schema.String })
const StatusRequest = Schema.Struct({ type: Schema.Literal("status") })
/** Asks the engine to finish what runs, take nothing new, and exit. */
const Drain = Schema.Struct({ type: Schema.Literal("drain") })

/** Asks for what an operator wants; answered by `control-done` or `control-failed` of the same id. */
const Control = Schema.Struct({
  type: Schema.Literal("control"),
  controlId: Count,
  command: ControlCommand,
})

export const ToEngine = Schema.Union([Generate, Cancel, StatusRequest, Drain, Control])
export type ToEngine = typeof ToEngine.Type

const GeneratedToken = Schema.Struct({
  id: Id,
  logProb: Schema.optionalKey(Schema.Finite),
  top: Schema.optionalKey(Schema.Array(Schema.Tuple([Id, Schema.Finite]))),
})
export type GeneratedToken = typeof GeneratedToken.Type

/** A rung of the failover ladder that a request used. */
export const Degradation = Schema.Struct({
  layer: Count,
  expertId: Count,
  /** `asleep`: the router's choice slept, and the token went round it, because an operator wants that rather than a wait. */
  rung: Schema.Literals(["replica", "reload", "backend", "reroute", "shared-only", "asleep"]),
})
export type Degradation = typeof Degradation.Type

/** Routing of the positions computed since the last event: per MoE layer `[numPositions][topK]`. */
export const RoutingTrace = Schema.Struct({
  firstPosition: Count,
  layers: Schema.Array(
    Schema.Struct({
      layer: Count,
      expertIds: Schema.Array(Schema.Array(Schema.Int)),
      weights: Schema.Array(Schema.Array(Schema.Finite)),
      /** Bytes of one expert's weights: what each of a token's experts makes the machine read. */
      expertBytes: Count,
    }),
  ),
})
export type RoutingTrace = typeof RoutingTrace.Type

/** What a request's beginning took, known with its first token. */
const start = {
  /** Positions of the prompt that were reused from an earlier request. */
  cachedTokens: Count,
  queueMs: Schema.Finite,
  prefillMs: Schema.Finite,
}

export const EngineUsage = Schema.Struct({
  promptTokens: Count,
  generatedTokens: Count,
  ...start,
  decodeMs: Schema.Finite,
})
export type EngineUsage = typeof EngineUsage.Type

export const EngineStatus = Schema.Struct({
  modelId: Schema.String,
  backend: Schema.String,
  format: Schema.String,
  numSlots: Count,
  contextLength: Count,
  numRunning: Count,
  numWaiting: Count,
  steps: Count,
  /** Tokens computed by the present process, prompts and answers. */
  numTokens: Count,
  residentBytes: Count,
  weightBytes: Count,
  /** A better backend failed its self-test. */
  isSecondBest: Schema.Boolean,
})
export type EngineStatus = typeof EngineStatus.Type

/** Comes before a request's first token. */
const Started = Schema.Struct({
  type: Schema.Literal("started"),
  requestId: Schema.String,
  ...start,
})
const Tokens = Schema.Struct({
  type: Schema.Literal("tokens"),
  requestId: Schema.String,
  tokens: Schema.Array(GeneratedToken),
  trace: Schema.optionalKey(RoutingTrace),
})
const Done = Schema.Struct({
  type: Schema.Literal("done"),
  requestId: Schema.String,
  reason: Schema.Literals(["stop", "length"]),
  usage: EngineUsage,
  degraded: Schema.Array(Degradation),
})
const Failed = Schema.Struct({
  type: Schema.Literal("failed"),
  requestId: Schema.String,
  code: Schema.Literals(["context-overflow", "bad-request", "internal"]),
  message: Schema.String,
})
const Loading = Schema.Struct({
  type: Schema.Literal("loading"),
  step: Schema.String,
  done: Schema.Finite,
  total: Schema.Finite,
})
const Ready = Schema.Struct({ type: Schema.Literal("ready"), status: EngineStatus })
const Status = Schema.Struct({ type: Schema.Literal("status"), status: EngineStatus })
/** The engine cannot go on, and trying again would not help. */
const Fatal = Schema.Struct({ type: Schema.Literal("fatal"), message: Schema.String })

const ControlDone = Schema.Struct({
  type: Schema.Literal("control-done"),
  controlId: Count,
  result: ControlResult,
})
const ControlFailed = Schema.Struct({
  type: Schema.Literal("control-failed"),
  controlId: Count,
  code: Schema.Literals(["bad-request", "conflict", "internal"]),
  message: Schema.String,
})
/** Changes of experts, for operators. */
const Changes = Schema.Struct({
  type: Schema.Literal("changes"),
  changes: Schema.Array(ExpertChange),
})
/** All who are quarantined, whenever one comes or goes: the next engine is told of them. */
const Quarantine = Schema.Struct({
  type: Schema.Literal("quarantine"),
  quarantined: Schema.Array(Quarantined),
})
/** The engine works: sent now and then while it has nothing else to say. */
const Alive = Schema.Struct({ type: Schema.Literal("alive") })

export const EngineEvent = Schema.Union([
  Started,
  Tokens,
  Done,
  Failed,
  Loading,
  Ready,
  Status,
  Fatal,
  ControlDone,
  ControlFailed,
  Changes,
  Quarantine,
  Alive,
])
export type EngineEvent = typeof EngineEvent.Type

/** What is sent to an engine. */
export const ToEngineEnvelope = Schema.Struct({
  version: Schema.Literal(PROTOCOL_VERSION),
  message: ToEngine,
})
