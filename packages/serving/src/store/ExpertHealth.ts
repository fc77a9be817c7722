/**
 * What became of experts that failed: rungs climbed, breakers, who is routed around. Decisions are `planFailover`'s and the breaker's; this carries them out.
 */
import type { MoeOptions } from "@consilium/experts"
import {
  type Breaker,
  CLOSED,
  countFailure,
  dueProbe,
  planFailover,
  type Rung,
  settleProbe,
  trip,
} from "@consilium/scheduling"
import type { ExpertChange } from "../control.ts"
import type { Degradation } from "../protocol.ts"
import type { ExpertFault } from "./ExpertFault.ts"
import type { ExpertTable } from "./ExpertTable.ts"
import type { Residency } from "./Residency.ts"

export interface ExpertHealth {
  /** Climbs the next rung for an expert that failed; undefined where none is left. */
  climb(fault: ExpertFault): Rung | undefined
  /** Notes a failure that was noticed and mended between steps. */
  note(instance: number, reason: string): void
  /** The rungs of the step that has just succeeded: climbed in it, or stood on since. */
  takeRungs(): readonly Degradation[]
  /** Returns what a layer's route is told: who is available, where not all are. */
  options(layer: number): MoeOptions
  breaker(instance: number): Breaker
  /** Returns an instance whose probe is due, half-open from then on. */
  nextProbe(): number | undefined
  /** Takes in how a probe went: it is readmitted, or kept away for longer. */
  settle(instance: number, isWell: boolean, reason: string): void
  /** Those kept away, with the rung that stands in for each. */
  readonly quarantined: ReadonlyMap<number, Rung>
}

const NO_RUNGS: readonly Degradation[] = []
const NO_OPTIONS: MoeOptions = {}

interface ExpertHealthOptions {
  readonly table: ExpertTable
  readonly residency: Residency
  /** Of a layer: experts a token visits, and whether it has a shared one. */
  readonly layerInfo: (layer: number) => {
    readonly topK: number
    readonly hasSharedExpert: boolean
  }
  readonly hasStandIn: boolean
  readonly allowsOtherText: boolean
  readonly nowMs: () => number
  readonly onChange: (change: Omit<ExpertChange, "atMs">) => void
}

export function createExpertHealth(options: ExpertHealthOptions): ExpertHealth {
  const { table, residency, layerInfo, hasStandIn, allowsOtherText, nowMs, onChange } = options
  const breakers = new Map<number, Breaker>()
  const quarantined = new Map<number, Rung>()
  /** Rungs climbed since the step began. */
  const climbed = new Map<number, Rung[]>()
  const masks = new Map<number, { readonly availability: Uint8Array }>()

  const breaker = (instance: number): Breaker => breakers.get(instance) ?? CLOSED
  const place = (instance: number): { layer: number; expert: number } => {
    const { layer } = table.layers[table.layerOf[instance]!]!
    return { layer, expert: table.expertIds[instance]! }
  }
  const isMasked = (rung: Rung): boolean => rung === "reroute" || rung === "shared-only"

  /** Works out anew who of a layer is available. */
  const mask = (layer: number): void => {
    const of = table.layers.find((other) => other.layer === layer)!
    const rungs = [...quarantined].filter(([instance, rung]) => place(instance).layer === layer && isMasked(rung))
    if (rungs.length === 0) return void masks.delete(layer)
    const availability = new Uint8Array(of.numExperts).fill(1)
    for (const [instance, rung] of rungs) {
      if (rung === "shared-only") availability.fill(0)
      else availability[table.expertIds[instance]!] = 0
    }
    masks.set(layer, { availability })
  }

  const carryOut = (instance: number, rung: Rung, reason: string): void => {
    const { layer, expert } = place(instance)
    if (rung === "replica") residency.useReplica(instance)
    else residency.forget(instance)
    if (rung === "replica" || rung === "reload") {
      breakers.set(instance, countFailure(breaker(instance), nowMs()))
      return
    }
    table.isOnStandIn[instance] = rung === "backend" ? 1 : 0
    quarantined.set(instance, rung)
    breakers.set(instance, trip(countFailure(breaker(instance), nowMs()), nowMs(), reason))
    mask(layer)
    onChange({
      layer,
      expert,
      change: "quarantined",
      detail: `${reason}; ${rung} until it is well`,
    })
  }

  return {
    quarantined,
    breaker,
    climb(fault) {
      const { layer } = fault
      const instance = table.layers.find((of) => of.layer === layer)!.first + fault.instance
      const { topK, hasSharedExpert } = layerInfo(layer)
      const { numExperts } = table.layers[table.layerOf[instance]!]!
      const numAvailable = masks.get(layer)?.availability.reduce((sum, is) => sum + is, 0) ?? numExperts
      const standing = quarantined.get(instance)
      const soFar = climbed.get(instance) ?? (standing === undefined ? [] : [standing])
      onChange({ ...place(instance), change: "fault", detail: fault.message })
      const rung = planFailover({
        climbed: soFar,
        hasReplica: residency.hasReplica(instance),
        hasFile: fault.kind !== "checksum" || !soFar.includes("reload"),
        hasOtherBackend: hasStandIn,
        numOthers: numAvailable - 1,
        topK,
        hasSharedExpert,
        allowsOtherText,
      })
      if (rung === undefined) return undefined
      climbed.set(instance, [...soFar, rung])
      carryOut(instance, rung, fault.message)
      return rung
    },
    note(instance, reason) {
      breakers.set(instance, countFailure(breaker(instance), nowMs()))
      onChange({ ...place(instance), change: "fault", detail: reason })
    },
    takeRungs() {
      if (quarantined.size + climbed.size === 0) return NO_RUNGS
      const rungs = new Map<number, Rung>(quarantined)
      for (const [instance, all] of climbed) rungs.set(instance, all.at(-1)!)
      climbed.clear()
      return [...rungs].map(([instance, rung]) => {
        const { layer, expert } = place(instance)
        return { layer, expertId: expert, rung }
      })
    },
    options: (layer) => masks.get(layer) ?? NO_OPTIONS,
    nextProbe() {
      for (const instance of quarantined.keys()) {
        const due = dueProbe(breaker(instance), nowMs())
        if (due.state !== "half-open") continue
        breakers.set(instance, due)
        return instance
      }
      return undefined
    },
    settle(instance, isWell, reason) {
      breakers.set(instance, settleProbe(breaker(instance), isWell, nowMs(), reason))
      const { layer, expert } = place(instance)
      onChange({ layer, expert, change: isWell ? "readmitted" : "probed", detail: reason })
      if (!isWell) return
      quarantined.delete(instance)
      mask(layer)
    },
  }
}
