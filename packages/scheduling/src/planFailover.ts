/** What went wrong with an expert in a step. A `norm` is a suspicion: the output is finite, but far from what the expert has given so far. */
export type FaultKind = "throw" | "non-finite" | "norm" | "checksum" | "deadline" | "host"

export interface ExpertFault {
  readonly kind: FaultKind
  readonly layer: number
  readonly expertId: number
  readonly replica: number
}

/** What there is to turn to, as it stands now. */
export interface FailoverMeans {
  /** Copies of the expert that are awake and not quarantined, the best first; the failed one is passed over. */
  readonly replicas: readonly number[]
  /** Whether the expert's slab can be read from its file. */
  readonly isFileReadable: boolean
  /** Other backends that can run the expert, the best first. */
  readonly backends: readonly string[]
  /** Available experts of the layer, without the failed one. */
  readonly numOthers: number
  readonly topK: number
  readonly hasSharedExpert: boolean
  /** Whether the text may change: without it nothing below another backend is tried. */
  readonly allowsDegraded: boolean
}

/**
 * What to do about a fault. The rungs from `replica` to `shared-only` are what a request is told of as its degradation; `retry` (the same copy, on
 * hosts that live) and `accept` (the output stands) leave the answer as it would have been.
 */
export type FailoverRung =
  | { readonly rung: "accept" }
  | { readonly rung: "retry" }
  | { readonly rung: "replica"; readonly replica: number }
  | { readonly rung: "reload" }
  | { readonly rung: "backend"; readonly backend: string }
  | { readonly rung: "reroute" }
  | { readonly rung: "shared-only" }
  | { readonly rung: "fail"; readonly reason: string }

/** A rung that was climbed in this step for this expert, in vain, and the fault that it answered. */
export interface FailoverAttempt {
  readonly rung: Exclude<FailoverRung, { rung: "fail" | "accept" }>
  readonly kind: FaultKind
}

/**
 * The ladder of each fault. Bytes that are wrong are wrong on every backend; a host that ended, or hung, says nothing against the expert's bytes,
 * which outlive it; and what took too long is not made faster by reading it again.
 */
const LADDERS: Readonly<Record<FaultKind, readonly Exclude<FailoverRung["rung"], "fail">[]>> = {
  throw: ["replica", "reload", "backend", "reroute", "shared-only"],
  "non-finite": ["replica", "reload", "backend", "reroute", "shared-only"],
  norm: ["accept", "replica", "reload", "backend", "reroute", "shared-only"],
  checksum: ["replica", "reload", "reroute", "shared-only"],
  deadline: ["replica", "retry", "backend", "reroute", "shared-only"],
  host: ["retry", "replica", "reload", "backend", "reroute", "shared-only"],
}

/**
 * Returns the next rung of the failover ladder: the first that the fault's kind calls for, that there are means for, and that was not tried.
 *
 * Each copy and each backend is tried once, so that it ends after a bounded number of calls whatever fails on the way.
 *
 * @param attempts what was tried for this expert in this step, oldest first
 * @see ReviveMoE and Tarragon, for the order: a redundant expert before a restart before running without
 */
export function planFailover(
  fault: ExpertFault,
  means: FailoverMeans,
  attempts: readonly FailoverAttempt[],
): FailoverRung {
  for (const rung of LADDERS[fault.kind]) {
    const next = climb(rung, fault, means, attempts)
    if (next !== undefined) return next
  }
  return { rung: "fail", reason: whyNothingIsLeft(fault, means, attempts) }
}

/** Returns the rung with what it needs; undefined where it was tried, or there are no means. */
function climb(
  rung: Exclude<FailoverRung["rung"], "fail">,
  fault: ExpertFault,
  means: FailoverMeans,
  attempts: readonly FailoverAttempt[],
): FailoverRung | undefined {
  const wasTried = attempts.some((attempt) => attempt.rung.rung === rung)
  switch (rung) {
    case "accept":
      return isConfirmed(attempts) ? { rung } : undefined
    case "replica": {
      const replica = means.replicas.find((other) => other !== fault.replica && !triedReplica(attempts, other))
      return replica === undefined ? undefined : { rung, replica }
    }
    case "backend": {
      const backend = means.backends.find((other) => !triedBackend(attempts, other))
      return backend === undefined ? undefined : { rung, backend }
    }
    case "retry":
      return wasTried ? undefined : { rung }
    case "reload":
      return means.isFileReadable && !wasTried ? { rung } : undefined
    case "reroute":
      return means.allowsDegraded && means.numOthers >= means.topK && !wasTried ? { rung } : undefined
    case "shared-only":
      return means.allowsDegraded && means.hasSharedExpert && !wasTried ? { rung } : undefined
  }
}

/** Whether an unusual norm came again from other bytes or other code: then it is what the expert computes. Rare tokens have norms a thousand times the usual. */
function isConfirmed(attempts: readonly FailoverAttempt[]): boolean {
  return attempts.some(({ rung, kind }) => kind === "norm" && ["replica", "reload", "backend"].includes(rung.rung))
}

function triedReplica(attempts: readonly FailoverAttempt[], replica: number): boolean {
  return attempts.some(({ rung }) => rung.rung === "replica" && rung.replica === replica)
}

function triedBackend(attempts: readonly FailoverAttempt[], backend: string): boolean {
  return attempts.some(({ rung }) => rung.rung === "backend" && rung.backend === backend)
}

function whyNothingIsLeft(
  { kind, layer, expertId }: ExpertFault,
  { isFileReadable, numOthers, topK, hasSharedExpert, allowsDegraded }: FailoverMeans,
  attempts: readonly FailoverAttempt[],
): string {
  const tried = attempts.map(({ rung }) => rung.rung).join(", ")
  const missing = [
    ...(isFileReadable ? [] : ["its file cannot be read"]),
    ...(allowsDegraded
      ? [
          ...(numOthers < topK ? [`${numOthers} other experts are available, fewer than topK ${topK}`] : []),
          ...(hasSharedExpert ? [] : ["the layer has no shared expert"]),
        ]
      : ["degraded answers are not allowed"]),
  ]
  const details = [tried === "" ? "nothing could be tried" : `tried ${tried}`, ...missing].join("; ")
  return `layer ${layer}, expert ${expertId}: ${kind} fault: ${details}`
}
