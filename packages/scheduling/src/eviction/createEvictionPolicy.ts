import { createLeastStale } from "./createLeastStale.ts"
import { createLfu } from "./createLfu.ts"
import { createLru } from "./createLru.ts"
import { createNextUse } from "./createNextUse.ts"
import type { EvictionPolicy, ExpertGrid } from "./EvictionPolicy.ts"

const POLICIES = {
  lru: createLru,
  lfu: (grid) => createLfu(grid, 256),
  lfru: (grid) => createLfu(grid, 16),
  "least-stale": createLeastStale,
  "next-use": createNextUse,
} as const satisfies Record<string, (grid: ExpertGrid) => EvictionPolicy>

export type EvictionName = keyof typeof POLICIES
export const EVICTION_NAMES = Object.keys(POLICIES) as readonly EvictionName[]
/** The one with most hits on every generated trace of `bench paging`, and within 1.3 points of the best on the recorded one. */
export const DEFAULT_EVICTION: EvictionName = "next-use"

/** Creates a policy for a model, with nothing awake and nothing known. */
export function createEvictionPolicy(name: EvictionName, grid: ExpertGrid): EvictionPolicy {
  return POLICIES[name](grid)
}
