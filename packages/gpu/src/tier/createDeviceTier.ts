/**
 * A device's memory as a tier above the arena: which slabs it holds, whether the device is there, and when one that was lost is tried again.
 *
 * What it held is lost with it, and nothing else is: every slab is open at home too.
 */
import { type Slab, StateLostError } from "@consilium/kernels"
import {
  beginProbe,
  BREAKER_POLICY,
  type BreakerPolicy,
  createBreaker,
  type ExpertBreaker,
  noteFailure,
  noteProbePassed,
} from "@consilium/scheduling"
import type { GpuBackend } from "../GpuBackend.ts"
import type { GpuAdapterInfo } from "../openDevice.ts"
import type { TierSlab } from "./TierSlab.ts"
import type { TierSpeeds } from "./TierSpeeds.ts"

/** In use; lost, and tried again after a while; or back, and getting its slabs before it computes. */
type DeviceState = "in-use" | "away" | "returning"

/** What decides about a device's memory, and shows it, sees of it. */
export interface DeviceTier {
  readonly adapter: GpuAdapterInfo
  readonly state: DeviceState
  /** Why it is away, since when, and when it is tried again. */
  readonly breaker: ExpertBreaker
  readonly speeds: TierSpeeds
  /** Most bytes that it may hold; less where it refused more. */
  readonly budgetBytes: number
  /** Bytes that it holds, slabs and all else. */
  readonly usedBytes: number
  /** Keeps bytes for what is no slab: keys and values, rows. */
  reserve(bytes: number): void
  /** Returns how many more slabs of so many bytes it has room for; 0 while it is away. */
  roomFor(bytes: number): number
  holds(slab: Slab): boolean
  /** Uploads a slab; false, and nothing has changed, where there is no room or the device is away, also when it is lost over it. */
  promote(slab: Slab): boolean
  /** Frees what the device holds of a slab. */
  demote(slab: Slab): void
  /** Does what is due between steps: a probe of a device that was lost, and uploads. Returns milliseconds until more is; Infinity = never. */
  tend(): number
}

/** The same, with what the backend above it does to it. */
export interface OpenDeviceTier extends DeviceTier {
  readonly slabs: ReadonlySet<TierSlab>
  /** A step runs, and the device with it. */
  isInStep: boolean
  add(slab: TierSlab): void
  remove(slab: TierSlab): void
  /** Notes that keys and values are on the device: they go with it. */
  holdState(): void
  /** Notes that the device is lost; returns what a step throws for it. */
  lose(cause: unknown): Error
  /** Returns what a step must throw for a device that was lost since the last one, with keys and values; undefined where nothing was. */
  takeLoss(): Error | undefined
}

export interface DeviceTierOptions {
  readonly budgetBytes: number
  readonly nowMs: () => number
  /** Computes something known; returns what is wrong with it. */
  readonly probe: () => string | undefined
  readonly onChange: (detail: string) => void
  /** When a device that was lost is probed; as experts are unless given. */
  readonly policy?: BreakerPolicy
}

/** How soon one looks again whether the device is open. */
const OPENING_MS = 20
/** What uploads may take of a turn between two steps. */
const UPLOAD_MS = 20
/** Of what a device held when it refused more, the share that it is believed to hold. */
const REFUSED_SHARE = 0.95

export function createDeviceTier(
  device: GpuBackend,
  speeds: TierSpeeds,
  { budgetBytes: wantedBytes, nowMs, probe, onChange, policy = BREAKER_POLICY }: DeviceTierOptions,
): OpenDeviceTier {
  const slabs = new Set<TierSlab>()
  const { adapter } = device
  let budgetBytes = wantedBytes
  let [slabBytes, reservedBytes] = [0, 0]
  let state: DeviceState = "in-use"
  let breaker = createBreaker({ layer: 0, expertId: 0 }, nowMs())
  let [holdsState, isInStep] = [false, false]
  let loss: Error | undefined
  /** Of its return: what opening it, the probe and uploads took; while it is opened, since when. */
  let [openingMs, probeMs, uploadMs] = [0, 0, 0]

  const ownSlab = (slab: Slab): TierSlab => {
    if (!slabs.has(slab as TierSlab)) throw new Error("gpu: this slab is not open")
    return slab as TierSlab
  }
  /** How many more slabs of so many bytes there is room for: in places that are free, which count as held, and in more memory. */
  const roomFor = (bytes: number): number => {
    if (bytes > adapter.maxBufferBytes) return 0
    const freeBytes = budgetBytes - device.deviceMemory().slabBytes - reservedBytes
    return device.numFreePlaces(bytes) + Math.max(0, Math.floor(freeBytes / bytes))
  }

  const drop = (slab: TierSlab): void => {
    const held = slab.device
    if (held === undefined) return
    slab.device = undefined
    slabBytes -= slab.layout.bytes
    device.closeSlab(held)
  }
  const lose = (cause: unknown): Error => {
    const message = cause instanceof Error ? cause.message : String(cause)
    if (state !== "away") {
      if (/memory/i.test(message)) budgetBytes = Math.min(budgetBytes, (slabBytes + reservedBytes) * REFUSED_SHARE)
      state = "away"
      breaker = noteFailure(breaker, message, nowMs(), policy)
      // Whatever failed: what it holds is gone from here on.
      attempt(() => device.endHost?.())
      for (const slab of slabs) attempt(() => drop(slab))
      onChange(`${adapter.name} is lost, what it held computes at home: ${message}`)
    }
    const heldState = holdsState
    holdsState = isInStep = false
    const text = `${adapter.name} is lost: ${message}`
    // Rows of a step are computed again with it.
    return heldState
      ? new StateLostError(`${text}; keys and values are computed anew`, { cause })
      : new Error(text, { cause })
  }
  /** Notes a loss that no call of a step sees: the next one must not go on with what is gone. */
  const loseBetweenSteps = (cause: unknown): void => {
    const isMissed = holdsState || isInStep
    const error = lose(cause)
    if (isMissed) loss = error
  }
  const upload = (slab: TierSlab): boolean => {
    const { bytes } = slab.layout
    if (slab.device !== undefined || roomFor(bytes) === 0) return false
    try {
      slab.device = device.openSlab(slab.span, slab.layout)
    } catch (error) {
      loseBetweenSteps(error)
      return false
    }
    slabBytes += bytes
    return true
  }

  const failProbe = (why: string): void => {
    breaker = noteFailure(breaker, why, nowMs(), policy)
  }
  /** Opens the device, which may take a few turns, and has it compute. */
  const runProbe = (): void => {
    const due = beginProbe(breaker, nowMs())
    if (due !== breaker) openingMs = performance.now()
    breaker = due
    if (due.state !== "half-open") return
    try {
      if (!device.tryOpen()) return
    } catch (error) {
      return failProbe((error as Error).message)
    }
    const startMs = performance.now()
    openingMs = startMs - openingMs
    const problem = probe()
    if (problem !== undefined) return failProbe(problem)
    breaker = noteProbePassed(breaker, nowMs())
    state = "returning"
    probeMs = performance.now() - startMs
    uploadMs = 0
  }
  /** Uploads what all tokens visit; returns false where there was no time for all. */
  const uploadUntil = (endMs: number): boolean => {
    for (const slab of slabs) {
      if (state !== "returning" || performance.now() >= endMs) return false
      if (slab.isPinned) upload(slab)
    }
    return true
  }
  /** Uploads what is wanted there, a little at a time. */
  const comeBack = (): void => {
    const startMs = performance.now()
    const isDone = uploadUntil(startMs + UPLOAD_MS)
    uploadMs += performance.now() - startMs
    if (!isDone || state !== "returning") return
    state = "in-use"
    const [opening, probing, uploads] = [openingMs, probeMs, uploadMs].map((ms) => `${ms.toFixed(0)} ms`)
    onChange(`${adapter.name} is back: opening ${opening}, probe ${probing}, uploads ${uploads}`)
  }

  return {
    adapter,
    speeds,
    slabs,
    get isInStep() {
      return isInStep
    },
    set isInStep(is) {
      isInStep = is
    },
    get state() {
      return state
    },
    get breaker() {
      return breaker
    },
    get budgetBytes() {
      return budgetBytes
    },
    get usedBytes() {
      return state === "away" ? 0 : device.deviceMemory().bytes
    },
    reserve(bytes) {
      reservedBytes += bytes
    },
    roomFor: (bytes) => (state === "in-use" ? roomFor(bytes) : 0),
    holds: (slab) => ownSlab(slab).device !== undefined,
    promote: (slab) => state === "in-use" && upload(ownSlab(slab)),
    demote(slab) {
      try {
        drop(ownSlab(slab))
      } catch (error) {
        loseBetweenSteps(error)
      }
    },
    add(slab) {
      slabs.add(slab)
      if (slab.isPinned && state === "in-use") upload(slab)
    },
    remove(slab) {
      try {
        drop(ownSlab(slab))
      } catch (error) {
        loseBetweenSteps(error)
      }
      slabs.delete(slab)
    },
    holdState() {
      holdsState = true
    },
    lose,
    takeLoss() {
      const taken = loss
      loss = undefined
      return taken
    },
    tend() {
      if (state === "away") runProbe()
      if (state === "returning") comeBack()
      if (state === "away")
        return breaker.nextProbeMs === undefined ? OPENING_MS : Math.max(0, breaker.nextProbeMs - nowMs())
      return state === "returning" ? 0 : Number.POSITIVE_INFINITY
    },
  }
}

/** What is gone cannot fail to go. */
function attempt(call: () => void): void {
  try {
    call()
  } catch {
    // It was lost before.
  }
}
