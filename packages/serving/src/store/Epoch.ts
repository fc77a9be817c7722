import type { VersionsReport } from "../control.ts"

/** A choice of versions for all experts. */
export interface Epoch {
  readonly id: number
  /** By instance of the original: the version's name. */
  readonly versions: ReadonlyMap<number, string>
  numUsers: number
  numRequests: number
  numTokens: number
}

/** An epoch that a share of the requests begins with, beside the active one. */
export interface Canary {
  readonly epoch: Epoch
  readonly share: number
  /** Of each of its versions: how far its output is from the active one's; null where that one has none. */
  readonly outputChange: readonly (number | null)[]
}

/** What becomes of requests that run: they keep the versions that they began with, or move to the new ones. */
export type Running = "keep" | "move"

/** A swap that waits until its versions are awake. */
export interface PendingSwap {
  readonly epoch: Epoch
  readonly share: number | undefined
  readonly running: Running
  readonly resolve: (report: VersionsReport) => void
  readonly reject: (error: Error) => void
}

/** Returns what an operator sees of the epochs that are served. */
export function describeVersions(active: Epoch, canary: Canary | undefined): Omit<VersionsReport, "earlier"> {
  const versions = [...active.versions.values()]
  if (canary === undefined) return { versions, canary: null }
  const { epoch, share, outputChange } = canary
  return {
    versions,
    canary: {
      versions: [...epoch.versions.values()].filter((name) => !versions.includes(name)),
      share,
      outputChange,
      numRequests: epoch.numRequests,
      numTokens: epoch.numTokens,
      numOtherRequests: active.numRequests,
      numOtherTokens: active.numTokens,
    },
  }
}
