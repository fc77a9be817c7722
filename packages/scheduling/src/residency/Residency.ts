import type { EvictionPolicy, ExpertGrid } from "../eviction/EvictionPolicy.ts"

/** Which experts hold one of the frames, and which of them may lose it. Plans change it as they decide: it says what is once they are carried out. */
export interface Residency {
  readonly grid: ExpertGrid
  readonly policy: EvictionPolicy
  /** 1 where the expert holds a frame: it is awake, or is being read. */
  readonly isHeld: Uint8Array
  /** Reasons to keep the expert that the caller counts: pins, reads that are under way, other steps. */
  readonly numHolds: Uint16Array
  /** The turn, `step * numLayers + layer`, until which a plan keeps the expert: a layer's own, or just before that of which it is forecast. */
  readonly keptUntil: Float64Array
  /** The last step that needed the expert; -Infinity for none. */
  readonly lastStep: Float64Array
  numFree: number
  /** The turn that was planned last. */
  turn: number
  /** Whether nothing keeps the expert, in this turn. */
  readonly isEvictable: (expert: number) => boolean
  /** The same, of what was read ahead for a later turn as well. */
  readonly isUnneeded: (expert: number) => boolean
}

/** Starts with every expert asleep. */
export function createResidency(grid: ExpertGrid, numFrames: number, policy: EvictionPolicy): Residency {
  const numAll = grid.numLayers * grid.numExperts
  const numHolds = new Uint16Array(numAll)
  const keptUntil = new Float64Array(numAll).fill(-1)
  const residency: Residency = {
    grid,
    policy,
    isHeld: new Uint8Array(numAll),
    numHolds,
    keptUntil,
    lastStep: new Float64Array(numAll).fill(-Infinity),
    numFree: numFrames,
    turn: -1,
    isEvictable: (expert) => numHolds[expert] === 0 && keptUntil[expert]! < residency.turn,
    isUnneeded: (expert) => numHolds[expert] === 0 && keptUntil[expert] !== residency.turn,
  }
  return residency
}

/** Gives a free frame to an expert that sleeps. */
export function takeFrame(residency: Residency, expert: number): void {
  if (residency.numFree < 1) throw new Error(`no frame is free for expert ${expert}`)
  residency.policy.woke(expert)
  residency.isHeld[expert] = 1
  residency.numFree--
}

/** Takes its frame from an expert that is held: it is put to sleep, was dropped, or could not be read. */
export function freeFrame(residency: Residency, expert: number): void {
  residency.policy.slept(expert)
  residency.isHeld[expert] = 0
  residency.keptUntil[expert] = -1
  residency.numFree++
}
