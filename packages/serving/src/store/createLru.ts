import type { VictimPolicy } from "./Residency.ts"

export function createLru(numInstances: number): VictimPolicy {
  const usedAt = new Float64Array(numInstances)
  let clock = 0
  return {
    touch: (instance) => void (usedAt[instance] = ++clock),
    victim(mayEvict) {
      let best = -1
      for (let i = 0; i < numInstances; i++) if ((best < 0 || usedAt[i]! < usedAt[best]!) && mayEvict(i)) best = i
      return best
    },
  }
}
