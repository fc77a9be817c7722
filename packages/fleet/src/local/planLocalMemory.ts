/** A local model, as far as its memory goes. */
export interface LocalMemory {
  readonly name: string
  /** What its engine may hold while it is awake. */
  readonly bytes: number
  readonly isAwake: boolean
  readonly numAnswering: number
  /** When it last answered. */
  readonly usedMs: number
}

export type MemoryPlan =
  /** It can be awake once these sleep; none where there is room. */
  | { readonly kind: "room"; readonly sleep: readonly string[] }
  /** Those that are in the way answer: they are waited for. */
  | { readonly kind: "wait" }
  /** There will never be room. */
  | { readonly kind: "too-large" }

/**
 * Decides who sleeps so that a model can be awake within the memory of all: the least recently used first, and nobody who answers.
 *
 * No more of them than needed: one whose sleep is made unnecessary by a later, larger one stays awake.
 */
export function planLocalMemory(models: readonly LocalMemory[], wanted: string, memoryBytes: number): MemoryPlan {
  const model = models.find(({ name }) => name === wanted)!
  if (model.isAwake) return { kind: "room", sleep: [] }
  if (model.bytes > memoryBytes) return { kind: "too-large" }
  const awake = models.filter(({ isAwake }) => isAwake)
  let needed = awake.reduce((sum, { bytes }) => sum + bytes, model.bytes) - memoryBytes
  const sleep: LocalMemory[] = []
  const idle = awake.filter(({ numAnswering }) => numAnswering === 0).toSorted((a, b) => a.usedMs - b.usedMs)
  for (const other of idle) {
    if (needed <= 0) break
    sleep.push(other)
    needed -= other.bytes
  }
  if (needed > 0) return { kind: "wait" }
  const spared = sleep.filter(({ bytes }) => {
    if (needed + bytes > 0) return false
    needed += bytes
    return true
  })
  return { kind: "room", sleep: sleep.filter((other) => !spared.includes(other)).map(({ name }) => name) }
}
