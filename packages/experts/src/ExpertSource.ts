import type { Routing } from "@consilium/gating"
import type { Backend, Format, Rows, Slab } from "@consilium/kernels"
import type { DispatchPlan } from "./DispatchPlan.ts"

/**
 * Where a layer's experts are: slabs that are always there, or a store that wakes them.
 *
 * A layer takes them in turns: `begin` with its plan, then `next` until all that have rows were given.
 */
export interface ExpertSource {
  /** Experts, or more: instances, where other versions of some live beside them. */
  readonly numExperts: number
  readonly format: Format
  /** Returns a routing to instances: where tokens run other versions than the active ones. Reused; absent where ids are instances. */
  assign?(routing: Routing): Routing
  /** Takes note of who has rows, and begins to make them ready. */
  begin(plan: DispatchPlan): void
  /**
   * Returns experts that are ready and were not given yet, `[E]`, undefined in all other places; undefined when there are no more. Waits where none is ready.
   *
   * All of one turn are of one backend, and stay ready until the next call. The array is reused.
   *
   * @throws what keeps an expert from becoming ready
   */
  next(): readonly (Slab | undefined)[] | undefined
  /**
   * Returns all experts `[E]`, by id, where each is ready on the layer's backend and nobody has to see the layer run for so many tokens: turns are then left out.
   * The array is reused.
   */
  all?(numTokens: number): readonly Slab[] | undefined
  /** Is told, after the step, what those that `all` gave have run, and the norms of their outputs `[A]`. @throws what is wrong with them */
  noteRun?(plan: DispatchPlan, norms: Float32Array): void
  /** The backend of this turn's experts, where it is not the layer's. */
  readonly standIn?: Backend | undefined
  /** Is shown what the experts of this turn made of their rows: `outputs` `[A, H]` of `hidden` `[T, H]`. @throws what is wrong with it */
  observe?(outputs: Rows, hidden: Rows, plan: DispatchPlan): void
}

/** Returns the source of experts that are always there: all of them in one turn. */
export function residentExperts(slabs: readonly Slab[]): ExpertSource {
  let isGiven = false
  return {
    numExperts: slabs.length,
    format: slabs[0]!.layout.format,
    all: () => slabs,
    begin() {
      isGiven = false
    },
    next() {
      if (isGiven) return undefined
      isGiven = true
      return slabs
    },
  }
}
