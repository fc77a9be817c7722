/** What an operator can ask of a running engine, and what it answers: part of the protocol. */
import { Schema } from "effect"

const Count = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))
const Positive = Schema.Int.check(Schema.isGreaterThan(0))

/** Kinds of faults that can be injected where that is enabled. */
export const FAULT_KINDS = [
  "throw",
  "nan",
  "slow",
  "corrupt-slab",
  "hang-between",
  "hang-native",
  "kill-host",
  "disk-slow",
] as const
export type FaultKind = (typeof FAULT_KINDS)[number]

/** Lists the experts. */
const ListExperts = Schema.Struct({ kind: Schema.Literal("experts") })
/** Sets how many experts of each layer may be awake; null lifts the limit. A target of residency: answers do not change. */
const Scale = Schema.Struct({
  kind: Schema.Literal("scale"),
  awakePerLayer: Schema.NullOr(Positive),
  /** How many of each layer's busiest experts have a second copy, for failover. */
  replicasPerLayer: Count,
})
/** Makes an expert fail in its next `count` uses. */
const InjectFault = Schema.Struct({
  kind: Schema.Literal("fault"),
  layer: Count,
  expert: Count,
  fault: Schema.Literals(FAULT_KINDS),
  count: Positive,
})

/** The state that an operator wants the experts in, whatever engine runs them. */
export const Desired = Schema.Struct({
  awakePerLayer: Schema.NullOr(Positive),
  replicasPerLayer: Count,
})
export type Desired = typeof Desired.Type
export const NOTHING_DESIRED: Desired = { awakePerLayer: null, replicasPerLayer: 0 }

export const ControlCommand = Schema.Union([ListExperts, Scale, InjectFault])
export type ControlCommand = typeof ControlCommand.Type

export const ExpertReport = Schema.Struct({
  layer: Count,
  expert: Count,
  state: Schema.Literals(["asleep", "waking", "awake", "draining", "failed"]),
  /** Bytes that it holds now. */
  bytes: Count,
  replicas: Count,
  version: Schema.String,
  /** Tokens a second, averaged. */
  load: Schema.Finite,
  /** Of its layer's assignments since the start. */
  shareOfTokens: Schema.Finite,
  numFailures: Count,
  /** What keeps it out, where it failed: since when, why, and when it is tried again, in ms since 1970. */
  failure: Schema.optionalKey(
    Schema.Struct({
      sinceMs: Schema.Finite,
      reason: Schema.String,
      nextProbeMs: Schema.NullOr(Schema.Finite),
    }),
  ),
})
export type ExpertReport = typeof ExpertReport.Type

/** Memory and movement of all experts together. */
export const ResidencyReport = Schema.Struct({
  budgetBytes: Count,
  usedBytes: Count,
  numAwake: Count,
  numExperts: Count,
  awakePerLayer: Schema.NullOr(Count),
  replicasPerLayer: Count,
  /** Since the engine's start. */
  numWoken: Count,
  numSlept: Count,
  readBytes: Count,
  aheadBytes: Count,
  waitMs: Schema.Finite,
  /** Largest load of a layer's experts over their mean, the worst layer's. */
  imbalance: Schema.Finite,
})
export type ResidencyReport = typeof ResidencyReport.Type

export const ControlResult = Schema.Union([
  Schema.Struct({
    kind: Schema.Literal("experts"),
    experts: Schema.Array(ExpertReport),
    residency: ResidencyReport,
  }),
  Schema.Struct({ kind: Schema.Literal("done") }),
])
export type ControlResult = typeof ControlResult.Type

/** A change that operators hear of. */
export const ExpertChange = Schema.Struct({
  /** Milliseconds since 1970. */
  atMs: Schema.Finite,
  layer: Count,
  expert: Count,
  change: Schema.Literals([
    "woken",
    "slept",
    "fault",
    "quarantined",
    "probed",
    "readmitted",
    "swapped",
    "rolled-back",
    "scaled",
  ]),
  detail: Schema.String,
})
export type ExpertChange = typeof ExpertChange.Type
