/**
 * What became of experts that failed: rungs climbed, breakers, who is routed around. Decisions are `planFailover`'s and the breaker's; this carries them out.
 */
import type { MoeOptions } from "@consilium/experts"
import {
  beginProbe,
  BREAKER_POLICY,
  createBreaker,
  type ExpertBreaker,
  type FailoverAttempt,
  type FailoverRung,
  type FaultKind,
  noteFailure,
  noteProbePassed,
  planFailover,
  reopenBreaker,
} from "@consilium/scheduling"
import type { ExpertChange, Quarantined } from "../control.ts"
import type { Degradation } from "../protocol.ts"
import type { ExpertFault } from "./ExpertFault.ts"
import type { ExpertTable } from "./ExpertTable.ts"
import type { Residency } from "./Residency.ts"

export interface ExpertHealth {
  /** Climbs the next rung for an expert that failed; where none is left it says why. */
  climb(fault: ExpertFault): FailoverRung
  /** Whether an unusual output of this instance was confirmed in this step. */
  isAccepted(instance: number): boolean
  /** Notes a failure that was noticed and mended between steps. */
  note(instance: number, reason: string): void
  /** The rungs of the step that has just succeeded: climbed in it, or stood on since. */
  takeRungs(): readonly Degradation[]
  /** Returns what a layer's route is told: who is available, where not all are. */
  options(layer: number): MoeOptions
  breaker(instance: number): ExpertBreaker
  /** Returns an instance whose probe is due, half-open from then on. */
  nextProbe(): number | undefined
  /** Returns milliseconds until a probe is due; Infinity where none is. */
  msToProbe(): number
  /** Takes in how a probe went: it is readmitted, or kept away for longer. */
  settle(instance: number, isWell: boolean, reason: string): void
  /** Forgets an instance: nobody runs it any more. */
  forget(instance: number): void
  /** Puts those away again that an engine before this one had put away; what this one may not do about them is left out. */
  restore(quarantined: readonly Quarantined[]): void
}

/** What stands in for an instance that is put away. */
interface Quarantine {
  readonly rung: Extract<FailoverRung, { readonly rung: Quarantined["rung"] }>
  readonly kind: FaultKind
}

const NO_RUNGS: readonly Degradation[] = []
const NO_OPTIONS: MoeOptions = {}
/** Of failures that put nobody away: it was tried again, and went well. */
const COUNTED = { ...BREAKER_POLICY, maxFailures: Number.POSITIVE_INFINITY }

interface ExpertHealthOptions {
  readonly table: ExpertTable
  readonly residency: Residency
  /** Of a layer: experts a token visits, and whether it has a shared one. */
  readonly layerInfo: (layer: number) => { readonly topK: number; readonly hasSharedExpert: boolean }
  readonly standIn: string
  readonly allowsOtherText: boolean
  readonly nowMs: () => number
  readonly onChange: (change: Omit<ExpertChange, "atMs">) => void
  /** The version that an instance is. */
  readonly versionOf: (instance: number) => string
  /** Told of all who are quarantined, whenever one comes or goes. */
  readonly onQuarantine: (quarantined: readonly Quarantined[]) => void
}

export function createExpertHealth(options: ExpertHealthOptions): ExpertHealth {
  const { table, residency, layerInfo, standIn, allowsOtherText, nowMs, onChange, versionOf, onQuarantine } = options
  const breakers = new Map<number, ExpertBreaker>()
  const quarantined = new Map<number, Quarantine>()
  /** Rungs climbed since the step began. */
  const attempts = new Map<number, FailoverAttempt[]>()
  const accepted = new Set<number>()
  const masks = new Map<number, { readonly availability: Uint8Array }>()

  const place = (instance: number): { layer: number; expert: number } => {
    const { layer } = table.layers[table.layerOf[instance]!]!
    return { layer, expert: table.expertIds[instance]! }
  }
  const breaker = (instance: number): ExpertBreaker => {
    const { layer, expert } = place(instance)
    return breakers.get(instance) ?? createBreaker({ layer, expertId: expert }, nowMs())
  }
  /** Works out anew who of a layer is available. */
  const mask = (layer: number): void => {
    const of = table.layers.find((other) => other.layer === layer)!
    const own = [...quarantined].filter(
      ([instance, { rung }]) => place(instance).layer === layer && rung.rung !== "backend",
    )
    if (own.length === 0) return void masks.delete(layer)
    const availability = new Uint8Array(of.numExperts).fill(1)
    for (const [instance, { rung }] of own) {
      if (rung.rung === "shared-only") availability.fill(0)
      else availability[table.expertIds[instance]!] = 0
    }
    masks.set(layer, { availability })
  }

  const tell = (): void =>
    onQuarantine(
      [...quarantined].map(([instance, { rung }]): Quarantined => {
        const { why = "", sinceMs, numOpenings } = breaker(instance)
        const version = versionOf(instance)
        return { ...place(instance), version, rung: rung.rung, reason: why, sinceMs, numOpenings }
      }),
    )

  /** Puts an instance away whose breaker has opened. */
  const quarantine = (instance: number, away: Quarantine): void => {
    const { why } = breaker(instance)
    table.isOnStandIn[instance] = away.rung.rung === "backend" ? 1 : 0
    quarantined.set(instance, away)
    mask(place(instance).layer)
    onChange({ ...place(instance), change: "quarantined", detail: `${why}; ${away.rung.rung} until it is well` })
  }

  const carryOut = (instance: number, { rung, kind }: FailoverAttempt, reason: string): void => {
    if (rung.rung === "retry") return
    if (rung.rung === "replica") residency.useReplica(instance)
    else residency.forget(instance)
    if (rung.rung === "replica" || rung.rung === "reload") {
      breakers.set(instance, noteFailure(breaker(instance), reason, nowMs(), COUNTED))
      return
    }
    breakers.set(instance, noteFailure(breaker(instance), reason, nowMs()))
    quarantine(instance, { rung, kind })
    tell()
  }

  return {
    breaker,
    isAccepted: (instance) => accepted.has(instance),
    climb({ layer, kind, instance: placeInLayer, message }) {
      const of = table.layers.find((other) => other.layer === layer)!
      const instance = of.first + placeInLayer
      const standing = quarantined.get(instance)
      const soFar = attempts.get(instance) ?? (standing === undefined ? [] : [standing])
      const { topK, hasSharedExpert } = layerInfo(layer)
      const numAvailable = masks.get(layer)?.availability.reduce((sum, is) => sum + is, 0) ?? of.numExperts
      onChange({ ...place(instance), change: "fault", detail: message })
      const rung = planFailover(
        { kind, layer, expertId: table.expertIds[instance]!, replica: 0 },
        {
          replicas: residency.hasReplica(instance) ? [1] : [],
          isFileReadable: true,
          backends: [standIn],
          numOthers: numAvailable - 1,
          topK,
          hasSharedExpert,
          allowsDegraded: allowsOtherText,
        },
        soFar,
      )
      if (rung.rung === "accept") accepted.add(instance)
      else if (rung.rung !== "fail") {
        const attempt = { rung, kind }
        attempts.set(instance, [...soFar, attempt])
        carryOut(instance, attempt, message)
      }
      return rung
    },
    note(instance, reason) {
      breakers.set(instance, noteFailure(breaker(instance), reason, nowMs(), COUNTED))
      onChange({ ...place(instance), change: "fault", detail: reason })
    },
    takeRungs() {
      accepted.clear()
      if (quarantined.size + attempts.size === 0) return NO_RUNGS
      const rungs = [...quarantined, ...[...attempts].map(([instance, all]) => [instance, all.at(-1)!] as const)]
      attempts.clear()
      return rungs.flatMap(([instance, { rung }]): Degradation[] => {
        const { layer, expert } = place(instance)
        return rung.rung === "retry" ? [] : [{ layer, expertId: expert, rung: rung.rung }]
      })
    },
    options: (layer) => masks.get(layer) ?? NO_OPTIONS,
    nextProbe() {
      for (const instance of quarantined.keys()) {
        const before = breaker(instance)
        const due = beginProbe(before, nowMs())
        if (due === before) continue
        breakers.set(instance, due)
        return instance
      }
      return undefined
    },
    msToProbe() {
      let nextMs = Number.POSITIVE_INFINITY
      for (const instance of quarantined.keys()) nextMs = Math.min(nextMs, breaker(instance).nextProbeMs ?? nextMs)
      return nextMs - nowMs()
    },
    settle(instance, isWell, reason) {
      const before = breaker(instance)
      breakers.set(instance, isWell ? noteProbePassed(before, nowMs()) : noteFailure(before, reason, nowMs()))
      onChange({ ...place(instance), change: isWell ? "readmitted" : "probed", detail: reason })
      if (isWell) {
        quarantined.delete(instance)
        mask(place(instance).layer)
      }
      tell()
    },
    forget(instance) {
      breakers.delete(instance)
      attempts.delete(instance)
      table.isOnStandIn[instance] = 0
      if (!quarantined.delete(instance)) return
      mask(place(instance).layer)
      tell()
    },
    restore(earlier) {
      for (const { layer, expert, version, rung, reason, sinceMs, numOpenings } of earlier) {
        const of = table.layers.find((other) => other.layer === layer)
        if (of === undefined || (rung !== "backend" && !allowsOtherText)) continue
        const instance = Array.from({ length: of.numInstances }, (_, i) => of.first + i).find(
          (one) => table.files[one] !== undefined && table.expertIds[one] === expert && versionOf(one) === version,
        )
        if (instance === undefined) continue
        residency.forget(instance)
        const past = { why: reason, sinceMs, numOpenings }
        breakers.set(instance, reopenBreaker({ layer, expertId: expert }, past, nowMs()))
        quarantine(instance, { rung: rung === "backend" ? { rung, backend: standIn } : { rung }, kind: "throw" })
      }
      if (earlier.length > 0) tell()
    },
  }
}
