import { type Rows, StateLostError } from "@consilium/kernels"
import type { GpuBackend } from "../GpuBackend.ts"
import type { OpenDeviceTier } from "./createDeviceTier.ts"

/** What a call reads: rows, and how many of them. */
export type Inputs = readonly (readonly [rows: Rows, numRows: number])[]

/** Where calls run. */
export interface TierCalls {
  /** Whether the device computes now. @throws StateLostError where it was lost since the last step, and keys and values with it */
  isInUse(): boolean
  /** Runs on the device. @throws what a step throws for a device that is lost */
  onDevice(call: () => void): void
  /** Runs at home, on rows that the device may have newer. */
  atHome(inputs: Inputs, out: Rows, call: () => void): void
}

/** Returns where calls of a backend over a device and home run. */
export function createTierCalls(device: GpuBackend, tier: OpenDeviceTier): TierCalls {
  const onDevice = (call: () => void): void => {
    if (tier.state !== "in-use") throw new StateLostError(`${tier.adapter.name} is not there`)
    try {
      call()
    } catch (error) {
      throw tier.lose(error)
    }
  }
  return {
    onDevice,
    isInUse() {
      const loss = tier.takeLoss()
      if (loss !== undefined) throw loss
      return tier.state === "in-use"
    },
    atHome(inputs, out, call) {
      // Between steps all rows lie in the arena.
      if (!tier.isInStep || device.sync === undefined) return call()
      onDevice(() => {
        for (const [rows, numRows] of inputs) device.read!(rows, numRows)
        device.sync!()
      })
      call()
      onDevice(() => device.wrote!(out))
    },
  }
}
