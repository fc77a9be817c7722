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
  /** Of each of its versions: how far its output is from the active one's. */
  readonly outputChange: readonly number[]
}

/** Returns what an operator sees of the epochs that are served. */
export function describeVersions(active: Epoch, canary: Canary | undefined): VersionsReport {
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
