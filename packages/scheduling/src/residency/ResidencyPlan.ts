import type { ExpertGrid } from "../eviction/EvictionPolicy.ts"

/** Some of an array of experts for each wave: wave w owns `experts[ends[w - 1] .. ends[w])`, the first one from 0. */
export interface WaveList {
  readonly experts: Int32Array
  readonly ends: Int32Array
}

/**
 * How a layer's experts come to run: wave after wave, each puts `sleep` to sleep, wakes `wake` in frames that are free then, and runs `run`.
 *
 * One wave is enough unless the layer needs more experts than there are frames. What a wave puts to sleep was not run by the wave before it, so
 * that it can be read while that one computes; with a single frame alone it was.
 */
export interface ResidencyPlan {
  numWaves: number
  /** All that are needed, each once: those that were awake first. */
  readonly run: WaveList
  /** Those of `run` that slept. */
  readonly wake: WaveList
  readonly sleep: WaveList
}

/** Allocates for any layer of a model. */
export function createResidencyPlan({ numExperts }: ExpertGrid): ResidencyPlan {
  const waveList = (): WaveList => ({
    experts: new Int32Array(numExperts),
    ends: new Int32Array(numExperts),
  })
  return { numWaves: 0, run: waveList(), wake: waveList(), sleep: waveList() }
}
