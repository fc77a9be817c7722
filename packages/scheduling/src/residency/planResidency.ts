import type { ResidencyPlan } from "./ResidencyPlan.ts"
import { freeFrame, type Residency, takeFrame } from "./Residency.ts"

/** What a layer of a step needs. Steps and layers only go forward. */
export interface LayerNeed {
  readonly step: number
  readonly layer: number
  /** Experts by index, each once: all that the layer's rows were routed to. */
  readonly needed: Int32Array
  readonly numNeeded: number
}

/**
 * Plans what to wake and what to put to sleep so that a layer's experts can run, each read once at most.
 *
 * Notes their use, and changes `residency` to what it is once the plan is carried out. The layer's experts stay until the next one is planned.
 *
 * @param out written; made for this grid
 * @throws Error where others hold every frame
 */
export function planResidency(out: ResidencyPlan, residency: Residency, need: LayerNeed): void {
  const { run, wake, sleep } = out
  const { numNeeded } = need
  noteUses(residency, need)
  const numAwake = orderRun(run.experts, residency, need)
  let numSlept = claimFrames(sleep.experts, residency, need.layer, numNeeded - numAwake)
  const waveSize = planWaveSize(run.experts, residency, numAwake, numNeeded)

  out.numWaves = 0
  let numWoken = 0
  let oldest = 0
  for (let first = 0; first < numNeeded; first += waveSize) {
    const end = Math.min(first + waveSize, numNeeded)
    for (let i = Math.max(first, numAwake); i < end; i++) {
      const expert = run.experts[i]!
      if (residency.numFree === 0) {
        oldest = nextReleased(run.experts, residency, oldest, i)
        freeFrame(residency, run.experts[oldest]!)
        sleep.experts[numSlept++] = run.experts[oldest++]!
      }
      takeFrame(residency, expert)
      wake.experts[numWoken++] = expert
    }
    endWave(out, end, numWoken, numSlept)
  }
}

function noteUses(residency: Residency, { step, layer, needed, numNeeded }: LayerNeed): void {
  residency.turn = step * residency.grid.numLayers + layer
  for (let i = 0; i < numNeeded; i++) {
    const expert = needed[i]!
    residency.policy.touch(expert, step)
    residency.lastStep[expert] = step
    residency.keptUntil[expert] = residency.turn
  }
}

/** Writes the needed experts, those that hold a frame first; returns how many these are. */
function orderRun(run: Int32Array, { isHeld }: Residency, { needed, numNeeded }: LayerNeed): number {
  let n = 0
  for (let i = 0; i < numNeeded; i++) if (isHeld[needed[i]!] === 1) run[n++] = needed[i]!
  const numAwake = n
  for (let i = 0; i < numNeeded; i++) if (isHeld[needed[i]!] === 0) run[n++] = needed[i]!
  return numAwake
}

/** Puts others to sleep until so many frames are free, or nobody is left; returns how many it was. What was read ahead goes last. */
function claimFrames(sleep: Int32Array, residency: Residency, layer: number, numWanted: number): number {
  const { policy, isEvictable, isUnneeded } = residency
  let numSlept = 0
  while (residency.numFree < numWanted) {
    let victim = policy.victim(layer, isEvictable)
    if (victim < 0) victim = policy.victim(layer, isUnneeded)
    if (victim < 0) break
    freeFrame(residency, victim)
    sleep[numSlept++] = victim
  }
  return numSlept
}

/** Returns how many run at once: all, or as many as half of the frames hold, so that the others can be read meanwhile. */
function planWaveSize(run: Int32Array, residency: Residency, numAwake: number, numNeeded: number): number {
  const { numFree, numHolds } = residency
  if (numNeeded - numAwake <= numFree) return Math.max(1, numNeeded)
  let numUsable = numFree
  for (let i = 0; i < numAwake; i++) if (numHolds[run[i]!] === 0) numUsable++
  return Math.max(1, numUsable >> 1)
}

/** Returns the place of the earliest expert, from `oldest` on, that has run and that nobody else holds. */
function nextReleased(run: Int32Array, { numHolds }: Residency, oldest: number, end: number): number {
  let i = oldest
  while (i < end && numHolds[run[i]!]! > 0) i++
  if (i === end)
    throw new Error(`no frame for expert ${run[end]!}: every one is held; raise the memory budget or pin less`)
  return i
}

function endWave(out: ResidencyPlan, numRun: number, numWoken: number, numSlept: number): void {
  const wave = out.numWaves++
  out.run.ends[wave] = numRun
  out.wake.ends[wave] = numWoken
  out.sleep.ends[wave] = numSlept
}
