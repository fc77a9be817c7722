/** Whom a plan keeps awake: woken ahead of their use, between steps, in the place of those only that nobody used lately. */
import type { ControlResult, Keep } from "../control.ts"
import type { ExpertStore } from "./createExpertStore.ts"
import type { ExpertHealth } from "./ExpertHealth.ts"
import type { ExpertLoad } from "./ExpertLoad.ts"
import { instanceOf, STATE } from "./ExpertTable.ts"

type Kept = Extract<ControlResult, { readonly kind: "kept" }>

export interface ExpertKeeper {
  /** Experts that the plan keeps. */
  readonly numKept: number
  /** Whether it wants a second copy of any. */
  readonly wantsTwice: boolean
  /** Returns how many copies it wants of an instance's expert. */
  copies(instance: number): number
  /** Takes a plan in the place of the one before; resolves when all of it is awake that there is room for. @throws RangeError on an expert that is not */
  keep(layers: Keep["layers"]): Promise<Kept>
  /** Goes on waking. Called between steps, and while nothing runs. */
  settle(): void
}

interface ExpertKeeperOptions {
  readonly store: ExpertStore
  readonly load: ExpertLoad
  readonly health: ExpertHealth
  readonly activeOf: (original: number) => number
  readonly nowMs: () => number
}

/** Reads under way at a time: a step that needs one of its own does not stand in line for long. */
const MOST_READS = 2
/** Who was used since makes no room for those that are expected. */
const HOT_MS = 60_000

/** A plan that is being carried out. */
interface Waking {
  /** Originals, the most wanted last. */
  readonly queue: number[]
  readonly resolve: (kept: Kept) => void
}

export function createExpertKeeper(options: ExpertKeeperOptions): ExpertKeeper {
  const { store, load, health, activeOf, nowMs } = options
  const { table, residency } = store
  const { states, layerOf, layers } = table
  /** `[numInstances]` by original. */
  let wanted = new Uint8Array(table.numInstances)
  let waking: Waking | undefined

  const originalOf = (instance: number): number => layers[layerOf[instance]!]!.first + table.expertIds[instance]!
  const copies = (instance: number): number => wanted[originalOf(instance)]!
  const isHot = (instance: number): boolean => nowMs() < load.usedMs[instance]! + HOT_MS && load.usedMs[instance]! > 0
  const mayGo = (instance: number): boolean => copies(instance) === 0 && !isHot(instance) && store.mayEvict(instance)

  const report = (): Kept => {
    let [numAwake, numKept] = [0, 0]
    for (let original = 0; original < wanted.length; original++) {
      if (wanted[original] === 0) continue
      numKept++
      if (states[activeOf(original)] === STATE.awake) numAwake++
    }
    return { kind: "kept", numAwake, numKept }
  }

  const letSleep = (named: Keep["layers"]): void => {
    let numAsleep = 0
    for (const { layer } of named) {
      const { first, numInstances } = layers.find((of) => of.layer === layer)!
      for (let instance = first; instance < first + numInstances; instance++) {
        if (states[instance] !== STATE.awake || !mayGo(instance)) continue
        residency.sleep(instance)
        numAsleep++
      }
    }
    if (numAsleep > 0) residency.trim()
  }

  const finish = (): void => {
    if (waking === undefined) return
    const { resolve } = waking
    waking = undefined
    resolve(report())
  }

  /** Begins to wake one; where there is no room for it, none of its layer's others is tried. */
  const wakeOne = ({ queue }: Waking, original: number): void => {
    const instance = activeOf(original)
    if (states[instance] !== STATE.asleep || health.breaker(instance).state !== "closed") return
    if (residency.wake(instance, false, mayGo)) return residency.reserve(instance)
    const others = queue.filter((other) => layerOf[other] !== layerOf[original])
    queue.splice(0, queue.length, ...others)
  }

  return {
    copies,
    get numKept() {
      return wanted.reduce((sum, count) => sum + Math.min(1, count), 0)
    },
    get wantsTwice() {
      return wanted.some((count) => count > 1)
    },
    keep(named) {
      const next = new Uint8Array(table.numInstances)
      const ranked: { readonly original: number; readonly rank: number; readonly isNamed: boolean }[] = []
      const find = (layer: number, expert: number): number => {
        const original = instanceOf(table, layer, expert)
        if (original === undefined) throw new RangeError(`layer ${layer} expert ${expert}: there is no such expert`)
        return original
      }
      for (const { layer, awake, numNamed, twice } of named) {
        for (const [rank, expert] of awake.entries()) {
          const original = find(layer, expert)
          next[original] = 1
          ranked.push({ original, rank, isNamed: rank < numNamed })
        }
        if (layers.every((of) => of.layer !== layer)) throw new RangeError(`layer ${layer} has no experts`)
        for (const expert of twice) if (next[find(layer, expert)] === 1) next[find(layer, expert)] = 2
      }
      finish()
      wanted = next
      for (let instance = 0; instance < table.numInstances; instance++)
        if (copies(instance) === 0) residency.unreserve(instance)
      for (const { original, isNamed } of ranked) {
        const instance = activeOf(original)
        if (isNamed && states[instance] === STATE.awake && !isHot(instance)) residency.reserve(instance)
      }
      letSleep(named)
      // All layers' first before their second: a token needs some of each.
      ranked.sort((a, b) => Number(b.isNamed) - Number(a.isNamed) || a.rank - b.rank)
      const queue = ranked.map(({ original }) => original).reverse()
      return new Promise((resolve) => (waking = { queue, resolve }))
    },
    settle() {
      if (waking === undefined) return
      residency.settle()
      while (residency.numAhead < MOST_READS) {
        const original = waking.queue.pop()
        if (original === undefined) break
        wakeOne(waking, original)
      }
      if (waking.queue.length > 0) return
      const isReading = wanted.some((count, original) => count > 0 && states[activeOf(original)] === STATE.waking)
      if (!isReading) finish()
    },
  }
}
