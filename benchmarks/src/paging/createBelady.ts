import type { EvictionPolicy } from "@consilium/scheduling"
import type { TraceNeeds } from "./traceNeeds.ts"

/**
 * Creates the policy that knows what comes: it puts the expert to sleep that is needed last, and so has the most hits of all.
 *
 * @see Belady, IBM Systems Journal 5(2), 1966
 */
export function createBelady({ grid, needed }: TraceNeeds): EvictionPolicy {
  const numAll = grid.numLayers * grid.numExperts
  const turnsOf: number[][] = Array.from({ length: numAll }, () => [])
  for (const [turn, experts] of needed.entries()) for (const expert of experts) turnsOf[expert]!.push(turn)
  const numPassed = new Int32Array(numAll)
  const nextTurn = Float64Array.from(turnsOf, (turns) => turns[0] ?? Infinity)
  const isAwake = new Uint8Array(numAll)
  return {
    touch(expert) {
      nextTurn[expert] = turnsOf[expert]![++numPassed[expert]!] ?? Infinity
    },
    woke(expert) {
      isAwake[expert] = 1
    },
    slept(expert) {
      isAwake[expert] = 0
    },
    victim(_layer, isEvictable) {
      let victim = -1
      for (let expert = 0; expert < numAll; expert++) {
        if (isAwake[expert] === 0 || !isEvictable(expert)) continue
        if (victim < 0 || nextTurn[expert]! > nextTurn[victim]!) victim = expert
      }
      return victim
    },
  }
}
