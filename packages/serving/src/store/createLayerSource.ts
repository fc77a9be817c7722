import { type DispatchPlan, type ExpertSource, numRowsOf } from "@consilium/experts"
import type { Routing } from "@consilium/gating"
import type { Backend, Format, Rows, Slab } from "@consilium/kernels"
import type { EvictionPolicy } from "@consilium/scheduling"
import { type ExpertLayer, type ExpertTable, STATE } from "./ExpertTable.ts"
import type { Turn } from "./createResidency.ts"
import type { Residency } from "./Residency.ts"

/** What a layer's source tells of, and asks, while it runs. */
export interface LayerWatch {
  /** Returns a layer's routing to instances. */
  assign(layer: ExpertLayer, routing: Routing): Routing
  /** Called when a layer begins, its own missing experts being read: time to read ahead. */
  onBegin(layer: ExpertLayer, plan: DispatchPlan): void
  /** Returns the instance that each of a step's tokens runs for an expert; undefined where they run different ones. */
  instanceFor(layer: ExpertLayer, expertId: number, numTokens: number): number | undefined
  /** Whether somebody has to see the layer's rows while it runs. */
  mustSee(layer: ExpertLayer): boolean
  /** Called after a step with what all experts of a layer have run, and the norms of their outputs. @throws ExpertFault */
  onRun(layer: ExpertLayer, plan: DispatchPlan, norms: Float32Array): void
  /** Whether experts run one at a time, so that a fault has a name. */
  isIsolating(): boolean
  /** Called before an instance is given to compute with. @throws ExpertFault */
  onUse(layer: ExpertLayer, instance: number): void
  /** Called when a turn's experts are about to compute. */
  onTurn(): void
  /** Called with what a turn's experts made of their rows. @throws ExpertFault */
  onOutputs(
    layer: ExpertLayer,
    ready: readonly (Slab | undefined)[],
    outputs: Rows,
    hidden: Rows,
    plan: DispatchPlan,
  ): void
}

interface LayerSourceOptions {
  readonly table: ExpertTable
  readonly layer: ExpertLayer
  readonly format: Format
  readonly residency: Residency
  readonly policy: EvictionPolicy
  readonly turn: Turn
  readonly watch: LayerWatch
  /** What computes with those of the table that are on it. */
  readonly standIn: Backend
}

/** A source that also says whom it still needs: they must not be put to sleep. */
export interface LayerSource extends ExpertSource {
  stillNeeds(instance: number): boolean
}

/**
 * Creates the source of one layer's experts: those that are awake run first, while those that sleep are read; then the others as they come.
 *
 * Where they are more than memory holds, those that have run make room: each is read once for a plan.
 */
export function createLayerSource({
  table,
  layer,
  format,
  residency,
  policy,
  turn,
  watch,
  standIn,
}: LayerSourceOptions): LayerSource {
  const { first, numInstances } = layer
  const { states, slabs, isOnStandIn } = table
  /** Instances that the plan needs and that were not given yet. */
  const needed: number[] = []
  const isNeeded = new Uint8Array(numInstances)
  const ready: (Slab | undefined)[] = Array.from({ length: numInstances }, () => undefined)
  const everyone: Slab[] = []
  let usesStandIn = false

  const stillNeeds = (instance: number): boolean => isNeeded[instance - first] === 1
  const mayEvict = (instance: number): boolean =>
    instance < first || instance >= first + numInstances || !stillNeeds(instance)

  /** Wakes those that sleep, as far as there is room. */
  const wakeAll = (): void => {
    for (let n = 0; n < needed.length; n++) {
      const instance = needed[n]!
      if (states[instance] === STATE.waking) residency.hurry(instance)
      else if (states[instance] === STATE.asleep && !residency.wake(instance, true, mayEvict)) return
    }
  }

  /** Moves those that are awake, all of one backend, to `ready`; returns how many. */
  const giveAwake = (): number => {
    const most = watch.isIsolating() ? 1 : needed.length
    let numGiven = 0
    let kept = 0
    for (let n = 0; n < needed.length; n++) {
      const instance = needed[n]!
      const slab = slabs[instance]
      const isOther = isOnStandIn[instance] === 1
      if (slab === undefined || numGiven >= most || (numGiven > 0 && isOther !== usesStandIn)) {
        needed[kept++] = instance
        continue
      }
      usesStandIn = isOther
      watch.onUse(layer, instance)
      ready[instance - first] = slab
      isNeeded[instance - first] = 0
      numGiven++
    }
    needed.length = kept
    return numGiven
  }

  const nextTurn = (): void => {
    const l = layer.first / numInstances
    if (l <= turn.layer) turn.step++
    turn.layer = l
  }

  const throwFaults = (): void => {
    for (let n = 0; n < needed.length; n++) {
      const fault = residency.takeFault(needed[n]!)
      if (fault !== undefined) throw fault
    }
  }

  return {
    numExperts: numInstances,
    format,
    stillNeeds,
    get standIn() {
      return usesStandIn ? standIn : undefined
    },
    assign: (routing) => watch.assign(layer, routing),
    begin(plan) {
      nextTurn()
      needed.length = 0
      isNeeded.fill(0)
      for (let e = 0; e < numInstances; e++) {
        if (numRowsOf(plan, e) === 0) continue
        needed.push(first + e)
        isNeeded[e] = 1
        policy.touch(first + e, turn.step)
        residency.unreserve(first + e)
      }
      residency.settle()
      wakeAll()
      watch.onBegin(layer, plan)
    },
    next() {
      ready.fill(undefined)
      for (;;) {
        if (needed.length === 0) return undefined
        if (giveAwake() > 0) {
          watch.onTurn()
          return ready
        }
        throwFaults()
        // What has run may sleep now.
        wakeAll()
        // What is read ahead cannot make room before it is awake.
        const isReading = residency.numAhead > 0 || needed.some((instance) => states[instance] === STATE.waking)
        if (!isReading) throw new Error(`layer ${layer.layer}: no room for a single expert within the memory budget`)
        residency.waitForNext()
      }
    },
    all(numTokens) {
      if (watch.isIsolating() || watch.mustSee(layer)) return undefined
      everyone.length = 0
      for (let e = 0; e < layer.numExperts; e++) {
        const instance = watch.instanceFor(layer, e, numTokens)
        if (instance === undefined || slabs[instance] === undefined || isOnStandIn[instance] === 1) return undefined
        everyone.push(slabs[instance])
      }
      return everyone
    },
    noteRun(plan, norms) {
      nextTurn()
      for (let e = 0; e < numInstances; e++) if (numRowsOf(plan, e) > 0) policy.touch(first + e, turn.step)
      watch.onRun(layer, plan, norms)
    },
    observe: (outputs, hidden, plan) => watch.onOutputs(layer, ready, outputs, hidden, plan),
  }
}
