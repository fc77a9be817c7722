/** What an operator can ask of a running engine, and what it answers: part of the protocol. */
import { Schema } from "effect"

const Count = Schema.Int.check(Schema.isGreaterThanOrEqualTo(0))
const Positive = Schema.Int.check(Schema.isGreaterThan(0))

/**
 * How tokens are routed: as the router says; so that the load is evened out; or round experts that sleep, where enough are awake.
 *
 * All but the first change the text.
 */
export const ROUTING_MODES = ["exact", "balanced", "awake"] as const
export type RoutingMode = (typeof ROUTING_MODES)[number]

/** By what `balanced` evens the load out: each may be used alone. */
export const Balance = Schema.Struct({
  mode: Schema.Literal("balanced"),
  /** How far an expert's selection bias moves at each step; 0 = no bias. */
  biasRate: Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 1 })),
  /** Standard deviation of the noise by which experts are chosen, in logits; 0 = none. */
  routerNoise: Schema.Finite.check(Schema.isGreaterThanOrEqualTo(0)),
  /** Assignments that an expert may take in a step, over the even share; null = any number. */
  capacityFactor: Schema.NullOr(Schema.Finite.check(Schema.isGreaterThanOrEqualTo(1))),
})
export type Balance = typeof Balance.Type

/** How tokens are routed, and by what. */
export const RoutingPolicy = Schema.Union([Schema.Struct({ mode: Schema.Literals(["exact", "awake"]) }), Balance])
export type RoutingPolicy = typeof RoutingPolicy.Type

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

/** Requests whose name begins so run a canary's versions, whatever its share: those that judge it. */
export const CANARY_PREFIX = "canary:"

/** Lists the experts. */
const ListExperts = Schema.Struct({ kind: Schema.Literal("experts") })
/** Sets how many experts of each layer may be awake; null lifts the limit. A target of residency: answers do not change. */
const Scale = Schema.Struct({
  kind: Schema.Literal("scale"),
  awakePerLayer: Schema.NullOr(Positive),
  /** How many of each layer's busiest experts have a second copy, for failover. */
  replicasPerLayer: Count,
})
/**
 * Sets whom a plan keeps awake, in the place of the plan before: those that sleep are woken between steps, and `--expert-idle` leaves them awake.
 *
 * In the layers that it names, others that nobody used lately fall asleep. Memory budget and `scale` stay upper bounds. Answers do not change.
 */
const Keep = Schema.Struct({
  kind: Schema.Literal("keep"),
  layers: Schema.Array(
    Schema.Struct({
      layer: Count,
      /** Expert ids, the most wanted first. */
      awake: Schema.Array(Count),
      /** So many of them are named by an event: they are woken before all others. */
      numNamed: Count,
      /** Those that are to have a second copy, where there is room. */
      twice: Schema.Array(Count),
    }),
  ),
})
export type Keep = typeof Keep.Type
/** Makes an expert fail in its next `count` uses. */
const InjectFault = Schema.Struct({
  kind: Schema.Literal("fault"),
  layer: Count,
  expert: Count,
  fault: Schema.Literals(FAULT_KINDS),
  count: Positive,
})
export type InjectFault = typeof InjectFault.Type

const Share = Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 1 }))
/** A version of an expert, packed beside the prepared model: `layer-expert-checksum`. */
const VersionName = Schema.String.check(Schema.isPattern(/^\d{1,6}-\d{1,6}-[0-9a-f]{16}$/))

/** Puts versions of experts in the place of the active ones, all at once, at a step boundary. */
const Swap = Schema.Struct({
  kind: Schema.Literal("swap"),
  versions: Schema.Array(VersionName).check(Schema.isMinLength(1)),
  /** Serves them to this share of the requests, beside the active ones; absent: to all. */
  share: Schema.optionalKey(Share),
  /** What becomes of requests that run: they keep the versions that they began with, or move. */
  running: Schema.Literals(["keep", "move"]),
})
/** Restores the versions before the active ones; of all experts that have one, unless some are named. */
const Rollback = Schema.Struct({
  kind: Schema.Literal("rollback"),
  experts: Schema.Array(Schema.Struct({ layer: Count, expert: Count })),
  running: Schema.Literals(["keep", "move"]),
})
/** Ends a canary: its versions become everybody's, or nobody's. */
const EndCanary = Schema.Struct({ kind: Schema.Literal("end-canary"), isAccepted: Schema.Boolean })

/** What was active in an expert's place before, the latest last; null is the original. */
const EarlierVersions = Schema.Struct({
  layer: Count,
  expert: Count,
  versions: Schema.Array(Schema.NullOr(VersionName)),
})
export type EarlierVersions = typeof EarlierVersions.Type

/** An instance that failed so that something stands in for it until a probe finds it well. */
export const Quarantined = Schema.Struct({
  layer: Count,
  expert: Count,
  /** As `ExpertReport` names it. */
  version: Schema.String,
  rung: Schema.Literals(["backend", "reroute", "shared-only"]),
  reason: Schema.String,
  /** Milliseconds since 1970. */
  sinceMs: Schema.Finite,
  /** How often it was put away without a quiet time in between: the wait for a probe grows with it. */
  numOpenings: Positive,
})
export type Quarantined = typeof Quarantined.Type

/** The state that the experts are to be in, whatever engine runs them: what operators want, and who is not to be trusted. */
export const Desired = Schema.Struct({
  awakePerLayer: Schema.NullOr(Positive),
  replicasPerLayer: Count,
  /** Versions that are active in the place of the originals; and those of a canary with its share. */
  versions: Schema.Array(VersionName),
  canary: Schema.NullOr(Schema.Struct({ versions: Schema.Array(VersionName), share: Share })),
  /** What a rollback goes back to. */
  earlier: Schema.Array(EarlierVersions),
  quarantined: Schema.Array(Quarantined),
})
export type Desired = typeof Desired.Type
export const NOTHING_DESIRED: Desired = {
  awakePerLayer: null,
  replicasPerLayer: 0,
  versions: [],
  canary: null,
  earlier: [],
  quarantined: [],
}

export const ControlCommand = Schema.Union([ListExperts, Scale, Keep, Swap, Rollback, EndCanary, InjectFault])
export type ControlCommand = typeof ControlCommand.Type

export const ExpertReport = Schema.Struct({
  layer: Count,
  expert: Count,
  state: Schema.Literals(["asleep", "waking", "awake", "draining", "failed"]),
  /** Bytes that it holds now. */
  bytes: Count,
  replicas: Count,
  /** Memory domains of its copies, that of the one that computes first; a GPU's memory is `gpu`. */
  domains: Schema.Array(Schema.Union([Count, Schema.Literal("gpu")])),
  version: Schema.String,
  /** Tokens a second, averaged. */
  load: Schema.Finite,
  /** Of all time, the share that went into computing it, averaged. */
  timeShare: Schema.Finite,
  /** When it was last used, in ms since 1970; 0 = never since the engine's start. */
  usedMs: Schema.Finite,
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

/** A GPU, and what of the model lies in its memory. */
const GpuReport = Schema.Struct({
  adapter: Schema.String,
  isSoftware: Schema.Boolean,
  /** `away` when it is lost: all computes on the processor until a probe finds it well; `returning` while it gets its weights back. */
  state: Schema.Literals(["in-use", "away", "returning"]),
  /** Most bytes that it may hold; null: as many as it takes. */
  budgetBytes: Schema.NullOr(Count),
  /** Weights, keys and values, rows. */
  usedBytes: Count,
  /** Experts that it holds. */
  numExperts: Count,
  /** How often it was lost, or failed a probe, since the engine's start. */
  numLosses: Count,
  /** While it is away: why, and when it is tried again, in ms since 1970. */
  reason: Schema.optionalKey(Schema.String),
  nextProbeMs: Schema.optionalKey(Schema.NullOr(Schema.Finite)),
})

/** Memory and movement of all experts together. */
export const ResidencyReport = Schema.Struct({
  budgetBytes: Count,
  usedBytes: Count,
  numAwake: Count,
  numExperts: Count,
  awakePerLayer: Schema.NullOr(Count),
  replicasPerLayer: Count,
  /** Experts that a plan keeps awake, as far as there is room. */
  numKept: Count,
  /** Since the engine's start. */
  numWoken: Count,
  numSlept: Count,
  readBytes: Count,
  aheadBytes: Count,
  waitMs: Schema.Finite,
  /** Null where none computes. */
  gpu: Schema.NullOr(GpuReport),
  /** Experts that went to another memory domain, or to a GPU's memory or out of it. */
  numMoved: Count,
  numDomains: Count,
  /** Mean load of a memory domain over the largest, the worst layer's; 1 where there is one. */
  domainBalance: Schema.Finite,
  /** Largest load of a layer's experts over their mean, the worst layer's. */
  imbalance: Schema.Finite,
  /** What it would be if the same tokens had gone where the router wanted: beside it, what routing other than `exact` gains. */
  plainImbalance: Schema.Finite,
  routing: Schema.Literals(ROUTING_MODES),
  /** What routing other than `exact` costs: KL divergence of the weights from the router's own, in nats, and the share of assignments that went elsewhere. */
  drift: Schema.Struct({ kl: Schema.Finite, moved: Schema.Finite }),
})
export type ResidencyReport = typeof ResidencyReport.Type

/** Which versions are served, and how those of a canary differ. */
const VersionsReport = Schema.Struct({
  /** Active in the place of originals. */
  versions: Schema.Array(VersionName),
  earlier: Schema.Array(EarlierVersions),
  canary: Schema.NullOr(
    Schema.Struct({
      versions: Schema.Array(VersionName),
      share: Share,
      /** Of each version: how far its output of a recorded input is from the active one's, of that one's size; null where that one has none. */
      outputChange: Schema.Array(Schema.NullOr(Schema.Finite)),
      /** Requests and tokens since it began, its own and the others'. */
      numRequests: Count,
      numTokens: Count,
      numOtherRequests: Count,
      numOtherTokens: Count,
    }),
  ),
})
export type VersionsReport = typeof VersionsReport.Type

export const ControlResult = Schema.Union([
  Schema.Struct({
    kind: Schema.Literal("experts"),
    experts: Schema.Array(ExpertReport),
    residency: ResidencyReport,
    versions: VersionsReport,
  }),
  Schema.Struct({ kind: Schema.Literal("done") }),
  /** How many of those that a plan keeps are awake: fewer where there is no room. */
  Schema.Struct({ kind: Schema.Literal("kept"), numAwake: Count, numKept: Count }),
  Schema.Struct({ kind: Schema.Literal("versions"), ...VersionsReport.fields }),
])
export type ControlResult = typeof ControlResult.Type

/** A change that operators hear of. */
export const ExpertChange = Schema.Struct({
  /** Milliseconds since 1970. */
  atMs: Schema.Finite,
  layer: Count,
  expert: Count,
  /** Of experts together: `woken`, `slept`, `scaled`, `device`, a GPU that is lost or back, and `engine`, whose detail is the phase that the engine has come to. */
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
    "moved",
    "device",
    "engine",
  ]),
  detail: Schema.String,
})
export type ExpertChange = typeof ExpertChange.Type
