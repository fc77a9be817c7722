/** A layer's experts on a device and at home at the same time, each with its own rows. */
import type { Backend, ExpertRows, Rows, Slab } from "@consilium/kernels"
import { expertWork } from "@consilium/scheduling"
import { combineRows } from "../combineRows.ts"
import type { GpuBackend } from "../GpuBackend.ts"
import type { Inputs, TierCalls } from "./TierCalls.ts"
import type { TierSlab } from "./TierSlab.ts"
import type { TierSpeeds } from "./TierSpeeds.ts"

export interface TieredExperts {
  /** Takes rows that a layer may need where it is split, `[A, H]`; else the first one that needs more takes them. */
  prepare(numRows: number, width: number): void
  readonly run: NonNullable<Backend["experts"]>
  readonly combine: NonNullable<Backend["combine"]>
  close(): void
}

/** Experts of one side, by their place in the layer, and what they have to do. */
interface Side {
  readonly slabs: (Slab | undefined)[]
  work: number
}

/** A device that answers within this of home's end was waited for no longer than an answer takes. */
const NOTICED_MS = 0.02

export function createTieredExperts(
  device: GpuBackend,
  home: Backend,
  { isInUse, onDevice, atHome }: TierCalls,
  speeds: TierSpeeds,
): TieredExperts {
  const { arena } = home
  const far: Side = { slabs: [], work: 0 }
  const near: Side = { slabs: [], work: 0 }
  /** `[A, H]`: the device's outputs on their way to the layer's, and rows gathered for a home that runs experts one by one. */
  let [fetched, gathered]: (Rows | undefined)[] = []
  /** Outputs of this layer lie on the device; some were computed at home. */
  let [isOnDevice, isSplit] = [false, false]
  /** Rows of this layer, and whether home runs its experts together. */
  let [numRows, isTogether] = [0, false]

  const take = (known: Rows | undefined, least: number, width: number): Rows => {
    if (known !== undefined && known.width === width && known.values.length >= least * width) return known
    if (known !== undefined) arena.free(known.span)
    return arena.rows(least, width)
  }

  /** Shares experts out by where they lie. */
  const share = ({ offsets }: ExpertRows, slabs: readonly (Slab | undefined)[], usesDevice: boolean): void => {
    far.work = near.work = 0
    far.slabs.length = near.slabs.length = slabs.length
    far.slabs.fill(undefined)
    near.slabs.fill(undefined)
    numRows = offsets[slabs.length]!
    for (let e = 0; e < slabs.length; e++) {
      const slab = slabs[e] as TierSlab | undefined
      const work = expertWork(offsets[e + 1]! - offsets[e]!)
      if (slab === undefined || work === 0) continue
      const side = usesDevice && slab.device !== undefined ? far : near
      side.slabs[e] = side === far ? slab.device : slab.home
      side.work += work
      isTogether = home.supports("experts", slab.layout.format)
    }
  }

  /** Runs the experts at home; those of a backend that has no way to run them together, one by one. */
  const runAtHome = (outputs: Rows, x: Rows, plan: ExpertRows): void => {
    const startMs = performance.now()
    if (isTogether) home.experts!(outputs, x, plan, near.slabs)
    else runOneByOne(outputs, x, plan)
    speeds.observeHome(performance.now() - startMs, near.work)
  }
  const runOneByOne = (outputs: Rows, x: Rows, { order, offsets, topK }: ExpertRows): void => {
    const { width, values: from } = x
    const rows = (gathered = take(gathered, numRows, width))
    for (let e = 0; e < near.slabs.length; e++) {
      const slab = near.slabs[e]
      if (slab === undefined) continue
      const [begin, end] = [offsets[e]!, offsets[e + 1]!]
      for (let row = begin; row < end; row++) {
        const source = Math.floor(order[row]! / topK) * width
        rows.values.set(from.subarray(source, source + width), row * width)
      }
      home.expert(outputs, rows, begin, end - begin, slab)
    }
  }

  /** Runs both sides at the same time: the device's outputs come to rows of their own, so that neither writes over the other's. */
  const runBoth = (outputs: Rows, x: Rows, plan: ExpertRows): void => {
    const { offsets } = plan
    const { width } = outputs
    const theirs = (fetched = take(fetched, numRows, width))
    const startMs = performance.now()
    onDevice(() => {
      device.experts!(theirs, x, plan, far.slabs)
      device.read?.(theirs, numRows)
      device.submit?.()
    })
    runAtHome(outputs, x, plan)
    const homeMs = performance.now()
    onDevice(() => device.sync?.())
    const endMs = performance.now()
    speeds.observeDevice(endMs - startMs, far.work, endMs - homeMs > NOTICED_MS)
    for (let e = 0; e < far.slabs.length; e++) {
      if (far.slabs[e] === undefined) continue
      const [begin, end] = [offsets[e]! * width, offsets[e + 1]! * width]
      outputs.values.set(theirs.values.subarray(begin, end), begin)
    }
  }

  return {
    prepare(most, width) {
      fetched = take(fetched, most, width)
    },
    run(outputs, x, plan, slabs) {
      share(plan, slabs, isInUse())
      if (near.work === 0) {
        if (far.work > 0) onDevice(() => device.experts!(outputs, x, plan, far.slabs))
        isOnDevice ||= far.work > 0
        return
      }
      isSplit = true
      const inputs: Inputs = [[x, plan.numTokens], ...(isOnDevice ? [[outputs, numRows] as const] : [])]
      isOnDevice = false
      atHome(inputs, outputs, () => (far.work > 0 ? runBoth : runAtHome)(outputs, x, plan))
    },
    combine(out, outputs, plan) {
      const isAtHome = isSplit || !isInUse() || device.combine === undefined
      const inputs: Inputs = isOnDevice ? [[outputs, numRows]] : []
      isOnDevice = isSplit = false
      if (!isAtHome) return onDevice(() => device.combine!(out, outputs, plan))
      atHome(inputs, out, () => (isTogether ? home.combine! : combineRows)(out, outputs, plan))
    },
    close() {
      for (const rows of [fetched, gathered]) if (rows !== undefined) arena.free(rows.span)
      fetched = gathered = undefined
    },
  }
}
