import { dlopen, FFIType } from "bun:ffi"
import type { Rows, Slab } from "@consilium/kernels"
import type { FaultKind } from "../control.ts"
import { ExpertFault } from "./ExpertFault.ts"

/** What `slow` adds to a use. */
const SLOW_MS = 100

interface PlannedFault {
  readonly layer: number
  readonly instance: number
  readonly fault: FaultKind
  remaining: number
}

/** Faults that operators inject, to see what the service makes of them. */
export interface Faults {
  /** Plans a fault for the next `count` uses of an instance. */
  add(fault: FaultKind, layer: number, instance: number, count: number): void
  /** Whether any is planned. */
  readonly isPlanned: boolean
  /** Called before an instance computes. @throws ExpertFault where that is planned; returns late, or never, where that is */
  onUse(layer: number, instance: number): void
  /** Called with what a turn's instances made of their rows; spoils it where that is planned, and returns whether it did. */
  onOutputs(layer: number, ready: readonly (Slab | undefined)[], outputs: Rows, offsets: Int32Array): boolean
}

export function createFaults(): Faults {
  let planned: PlannedFault[] = []

  /** Uses up a planned fault of one of these kinds. */
  const take = (layer: number, instance: number, isWanted: (fault: FaultKind) => boolean): FaultKind | undefined => {
    const found = planned.find((of) => of.layer === layer && of.instance === instance && isWanted(of.fault))
    if (found === undefined) return undefined
    if (--found.remaining === 0) planned = planned.filter((other) => other !== found)
    return found.fault
  }

  return {
    get isPlanned() {
      return planned.length > 0
    },
    add: (fault, layer, instance, count) => void planned.push({ layer, instance, fault, remaining: count }),
    onUse(layer, instance) {
      if (planned.length === 0) return
      switch (take(layer, instance, (fault) => fault !== "nan")) {
        case "throw":
          throw new ExpertFault("throw", layer, instance, "an injected fault")
        case "slow":
          return sleep(SLOW_MS)
        case "hang-between":
          return sleep(Number.POSITIVE_INFINITY)
        case "hang-native":
          return hangInNativeCode()
        default:
      }
    },
    onOutputs(layer, ready, { values, width }, offsets) {
      let isSpoilt = false
      if (planned.length === 0) return isSpoilt
      for (let e = 0; e < ready.length; e++) {
        if (ready[e] === undefined || take(layer, e, (fault) => fault === "nan") === undefined) continue
        values.fill(Number.NaN, offsets[e]! * width, offsets[e + 1]! * width)
        isSpoilt = true
      }
      return isSpoilt
    },
  }
}

function sleep(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}

/** Never returns, and is not to be interrupted: what a driver's bug would be. */
function hangInNativeCode(): void {
  const libc = dlopen(process.platform === "darwin" ? "libSystem.B.dylib" : "libc.so.6", {
    pause: { args: [], returns: FFIType.i32 },
  })
  for (;;) libc.symbols.pause()
}
