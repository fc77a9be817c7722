import { type Backend, planExpertSlab, type Rows } from "@consilium/kernels"
import { noise } from "@consilium/tensor"
import type { ExpertStore } from "./createExpertStore.ts"
import { type ExpertLayer, instanceName, STATE } from "./ExpertTable.ts"

/** Tells whether an expert computes what it should: a recorded input, and what it made of it while it was known to be well. */
export interface ExpertProbe {
  /** Whether it has yet to see a row of the layer's. */
  wantsToSee(layer: ExpertLayer): boolean
  /** Records the first row that a layer's experts see. */
  observe(layer: ExpertLayer, hidden: Rows): void
  /** Records what an awake instance, just verified, makes of its layer's input; once. */
  record(instance: number): void
  /** Wakes an instance on the engine's own backend and runs it. It stays there only if it is well. */
  run(instance: number): { readonly isWell: boolean; readonly reason: string }
  /**
   * Returns how far an instance's output is from another's, of that one's size; null where the other has none. Both are woken.
   *
   * @throws RangeError where the instance itself has none, or one that is not finite
   */
  compare(instance: number, other: number): number | null
  /** Forgets what was recorded of an instance: its place gets another expert. */
  forget(instance: number): void
  /** Spoils an awake instance's bytes in memory: a fault to be found. */
  corrupt(instance: number): void
  close(): void
}

interface ExpertProbeOptions {
  readonly store: ExpertStore
  readonly backend: Backend
  /** Computes what is right where nothing was recorded. */
  readonly standIn: Backend
  readonly hiddenSize: number
}

/** Most that an output may differ from the stand-in's, of its largest value: 8-bit activations of both are rounded alike, sums are not. */
const TOLERANCE = 1e-2

export function createExpertProbe({ store, backend, standIn, hiddenSize }: ExpertProbeOptions): ExpertProbe {
  const { table, residency } = store
  const { arena } = backend
  const x = arena.rows(1, hiddenSize)
  const out = arena.rows(1, hiddenSize)
  /** By layer. */
  const inputs = new Map<number, Float32Array>()
  /** By instance: a checksum of its output's bytes. */
  const outputs = new Map<number, bigint>()

  /** Returns the row that an instance's layer has seen first; noise where it has seen none yet. */
  const inputOf = (instance: number): Float32Array => {
    const { layer } = table.layers[table.layerOf[instance]!]!
    return inputs.get(layer) ?? noise(hiddenSize, layer, 1)
  }

  /** Computes an instance's output on its own backend. */
  const compute = (instance: number, input: Float32Array): bigint => {
    x.values.set(input)
    const on = table.isOnStandIn[instance] === 1 ? standIn : backend
    on.expert(out, x, 0, 1, table.slabs[instance]!)
    return Bun.hash.xxHash3(arena.bytes(out.span))
  }

  /** Whether `out` is what the stand-in makes of the same weights. */
  const agreesWithStandIn = (instance: number): boolean => {
    const { shape } = table.files[instance]!.entry
    const frame = table.frames[instance]
    if (frame === undefined || shape.kind !== "expert") return true
    const found = out.values.slice()
    const slab = standIn.openSlab(frame, planExpertSlab(shape))
    standIn.expert(out, x, 0, 1, slab)
    standIn.closeSlab(slab)
    const largest = out.values.reduce((most, value) => Math.max(most, Math.abs(value)), 0)
    return found.every((value, i) => Math.abs(value - out.values[i]!) <= TOLERANCE * largest)
  }

  const wake = (instance: number): Error | undefined => {
    residency.forget(instance)
    if (!residency.wake(instance, true, store.mayEvict)) return new Error("there is no room to wake it")
    while (table.states[instance] === STATE.waking) residency.waitForNext()
    return residency.takeFault(instance)
  }

  const examine = (instance: number): string | undefined => {
    const fault = wake(instance)
    if (fault !== undefined) return fault.message
    const found = compute(instance, inputOf(instance))
    if (!isFinite(out.values)) return "its output is not finite"
    const recorded = outputs.get(instance)
    if (recorded === found) return undefined
    if (recorded !== undefined) return "its output is not the recorded one"
    return agreesWithStandIn(instance) ? undefined : "its output is not the reference's"
  }

  return {
    wantsToSee: ({ layer }) => !inputs.has(layer),
    observe({ layer }, hidden) {
      if (!inputs.has(layer)) inputs.set(layer, hidden.values.slice(0, hiddenSize))
    },
    record(instance) {
      const input = inputs.get(table.layers[table.layerOf[instance]!]!.layer)
      if (input === undefined || outputs.has(instance) || table.isOnStandIn[instance] === 1) return
      outputs.set(instance, compute(instance, input))
    },
    run(instance) {
      const wasOnStandIn = table.isOnStandIn[instance]!
      residency.forget(instance)
      table.isOnStandIn[instance] = 0
      let reason: string | undefined
      try {
        reason = examine(instance)
      } catch (error) {
        reason = (error as Error).message
      }
      if (reason === undefined) return { isWell: true, reason: "its output is as it was" }
      residency.forget(instance)
      table.isOnStandIn[instance] = wasOnStandIn
      return { isWell: false, reason }
    },
    compare(instance, other) {
      const input = inputOf(instance)
      const outputOf = (of: number): Float32Array | string => {
        const fault = table.states[of] === STATE.awake ? undefined : wake(of)
        if (fault !== undefined) return fault.message
        compute(of, input)
        return isFinite(out.values) ? out.values.slice() : "its output is not finite"
      }
      const found = outputOf(instance)
      if (typeof found === "string") throw new RangeError(found)
      const expected = outputOf(other)
      if (typeof expected === "string") return null
      const size = (values: Float32Array): number => Math.sqrt(values.reduce((sum, value) => sum + value * value, 0))
      return size(expected.map((value, i) => value - found[i]!)) / (size(expected) || 1)
    },
    forget: (instance) => void outputs.delete(instance),
    corrupt(instance) {
      const frame = table.frames[instance]
      if (frame === undefined || table.states[instance] !== STATE.awake)
        throw new RangeError(`${instanceName(table, instance)}: it is not awake in the arena`)
      const bytes = arena.bytes(frame)
      const middle = Math.floor(table.files[instance]!.entry.bytes / 2)
      for (let i = 0; i < 64; i++) bytes[middle + i]! ^= 0xa5
    },
    close() {
      for (const { span } of [x, out]) arena.free(span)
    },
  }
}

function isFinite(values: Float32Array): boolean {
  return values.every((value) => Number.isFinite(value))
}
