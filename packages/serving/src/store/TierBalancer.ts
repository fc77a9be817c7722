/**
 * Keeps in a device's memory those experts that are worth it, while the service goes on. Who is, is decided by `planTiers`, from measured loads and speeds; this
 * uploads and frees. Neither needs the disk: every expert's bytes stay in the arena.
 */
import type { DeviceTier } from "@consilium/gpu"
import { planTiers, type Tier, type TierLayer, type TierMove } from "@consilium/scheduling"
import type { ExpertChange } from "../control.ts"
import type { ExpertLoad } from "./ExpertLoad.ts"
import { type ExpertLayer, type ExpertTable, STATE } from "./ExpertTable.ts"
import type { ResidencyCounters } from "./Residency.ts"

export interface TierBalancer {
  /** Whether an instance lies in the device's memory too, and computes there. */
  isOnDevice(instance: number): boolean
  /** How many do. */
  numOnDevice(): number
  /** Fills the device before the first step, all layers alike: no load is known. */
  fill(): void
  /** Called between two steps: carries out a few moves where they pay; most times it is too early to look. */
  stepDone(): void
}

interface TierBalancerOptions {
  readonly table: ExpertTable
  readonly tier: DeviceTier
  readonly load: Pick<ExpertLoad, "workPerSec">
  /** Whether an instance is here to stay: it neither drains nor fails. */
  readonly isSettled: (instance: number) => boolean
  readonly counters: ResidencyCounters
  readonly nowMs: () => number
  readonly onChange: (change: Omit<ExpertChange, "atMs">) => void
}

/** Nothing was worth moving: rest for so long. */
const REST_MS = 1000
/** Moves of one step boundary. */
const MOST_MOVES = 4
/** Planning and uploading take no more than this share of the time. */
const SHARE_OF_TIME = 0.1
/** The load is believed to stay as it is for as long as it was measured. */
const BELIEVED_SEC = 60
/** How much faster a device is taken for until it was measured. */
const SUPPOSED_TIMES = 8

export function createTierBalancer(options: TierBalancerOptions): TierBalancer {
  const { table, tier, load, isSettled, counters, nowMs, onChange } = options
  const { layers, states, slabs, files, isOnStandIn } = table
  const expertBytes = files.reduce((most, file) => Math.max(most, file?.entry.bytes ?? 0), 0)
  let restUntilMs = 0
  /** Of an upload, measured. */
  let uploadMs = 0

  const isOpen = (instance: number): boolean => states[instance] === STATE.awake && isOnStandIn[instance] === 0
  const isOnDevice = (instance: number): boolean => isOpen(instance) && tier.holds(slabs[instance]!)
  const numOnDevice = (): number => {
    let count = 0
    for (let instance = 0; instance < table.numInstances; instance++) if (isOnDevice(instance)) count++
    return count
  }

  const describe = ({ first, numInstances }: ExpertLayer, loadOf: (instance: number) => number): TierLayer => {
    const instances = Array.from({ length: numInstances }, (_, place) => first + place)
    return {
      load: instances.map((instance) => (isOpen(instance) ? loadOf(instance) : 0)),
      isOnDevice: instances.map((instance) => (isOnDevice(instance) ? 1 : 0)),
      mayMove: instances.map((instance) => (isOpen(instance) && isSettled(instance) ? 1 : 0)),
    }
  }

  /** Loads are rows of work a second, so that a step of the plan is a second. */
  const plan = (loadOf: (instance: number) => number, maxMoves: number): readonly TierMove[] => {
    const described = layers.map((layer) => describe(layer, loadOf))
    const { homeMsPerRow } = tier.speeds
    // Who asks for one that the processor computes wants to see a GPU at work: it is taken for one.
    const deviceMsPerRow = tier.adapter.isSoftware ? undefined : tier.speeds.deviceMsPerRow
    const homeMs = homeMsPerRow ?? (deviceMsPerRow ?? 1) * SUPPOSED_TIMES
    const places = numOnDevice() + tier.roomFor(expertBytes)
    const device: Tier = { places, msPerToken: deviceMsPerRow ?? homeMs / SUPPOSED_TIMES }
    const home: Tier = { places: Number.POSITIVE_INFINITY, msPerToken: homeMs }
    return planTiers(described, device, home, { msPerPromotion: uploadMs, numSteps: BELIEVED_SEC, maxMoves })
  }

  /** Returns whether it was done. */
  const carryOut = ({ layer: l, expertId: place, to }: TierMove): boolean => {
    const slab = slabs[layers[l]!.first + place]!
    if (to === "home") {
      tier.demote(slab)
      return true
    }
    const startMs = performance.now()
    const isDone = tier.promote(slab)
    if (isDone) uploadMs = performance.now() - startMs
    return isDone
  }

  const tell = ({ layer: l, expertId: place, to }: TierMove): void => {
    const { layer, first } = layers[l]!
    const detail =
      to === "device" ? `to the memory of ${tier.adapter.name}` : `out of the memory of ${tier.adapter.name}`
    onChange({ layer, expert: table.expertIds[first + place]!, change: "moved", detail })
  }

  return {
    isOnDevice,
    numOnDevice,
    fill() {
      if (tier.state !== "in-use") return
      for (const move of plan(() => 1, Number.POSITIVE_INFINITY)) carryOut(move)
    },
    stepDone() {
      if (tier.state !== "in-use" || nowMs() < restUntilMs) return
      const startMs = performance.now()
      const moves = plan(load.workPerSec, MOST_MOVES).filter(carryOut)
      counters.numMoved += moves.length
      for (const move of moves) tell(move)
      const tookMs = (performance.now() - startMs) / SHARE_OF_TIME
      restUntilMs = nowMs() + (moves.length > 0 ? tookMs : Math.max(REST_MS, tookMs))
    },
  }
}
