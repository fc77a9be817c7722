/**
 * One backend over a device and the processor, on one arena: each slab is open at home, and on the device as well where that holds it.
 *
 * What has its weights on the device runs there, all else at home; of a layer's experts both compute their own rows at the same time. Rows of a step stay on the
 * device as long as it computes with them, and are fetched where home needs them. A device that is lost is a fault of one step; from the next on all runs at home,
 * until a probe finds it well.
 */
import { type Backend, copyCacheRows, type Slab } from "@consilium/kernels"
import type { GpuBackend } from "../GpuBackend.ts"
import { createDeviceTier, type DeviceTier, type DeviceTierOptions } from "./createDeviceTier.ts"
import { createTieredExperts, type TieredExperts } from "./createTieredExperts.ts"
import { shortlistRowsPlain } from "./shortlistRowsPlain.ts"
import { createTierCalls, type Inputs } from "./TierCalls.ts"
import { createTierSpeeds } from "./TierSpeeds.ts"
import type { TierSlab } from "./TierSlab.ts"

export interface TieredBackend extends Backend, Pick<TieredExperts, "prepare"> {
  readonly tier: DeviceTier
  /** Keeps room for keys and values, where attention is the device's. */
  reserveState(bytes: number): void
  /** Opens a slab that is on the device only while it is told to be: an expert. Any other goes there when it is opened, as far as there is room. */
  readonly openAtHome: Backend["openSlab"]
}

/** Creates the backend; `close` closes both. */
export function createTieredBackend(device: GpuBackend, home: Backend, options: DeviceTierOptions): TieredBackend {
  const { arena } = home
  const speeds = createTierSpeeds()
  const tier = createDeviceTier(device, speeds, options)
  const calls = createTierCalls(device, tier)
  const { isInUse, onDevice, atHome } = calls
  const experts = createTieredExperts(device, home, calls, speeds)

  const open = (isPinned: boolean): Backend["openSlab"] => {
    return (span, layout) => {
      const own = home.openSlab(span, layout)
      const slab: TierSlab = { backend: "gpu", layout, readsArena: true, span, isPinned, home: own, device: undefined }
      tier.add(slab)
      return slab
    }
  }
  const opened = (slab: Slab): TierSlab => {
    if (!tier.slabs.has(slab as TierSlab)) throw new Error("gpu: this slab is not open")
    return slab as TierSlab
  }
  const deviceHas = (op: "attend" | "norm" | "addScaled"): boolean => isInUse() && device.supports(op, "f32")
  const both = device.cacheFormats.filter((format) => home.cacheFormats.includes(format))

  return {
    name: "gpu",
    arena,
    cacheFormats: device.supports("attend", "f32") && both.length > 0 ? both : home.cacheFormats,
    tier,
    prepare: experts.prepare,
    reserveState(bytes) {
      if (device.supports("attend", "f32")) tier.reserve(bytes)
    },
    supports(op, format) {
      if (op === "experts" || op === "combine") return device.supports("experts", format)
      if (op === "copyRows") return true
      if (op === "routedExperts" || op === "shortlist") return device.supports(op, format)
      return home.supports(op, format)
    },
    openSlab: open(true),
    openAtHome: open(false),
    numBytes(slab) {
      const own = opened(slab).home
      return home.numBytes(own) + (own.readsArena ? 0 : slab.layout.bytes)
    },
    closeSlab(slab) {
      const own = opened(slab)
      tier.remove(own)
      home.closeSlab(own.home)
    },
    embed(out, ids, numIds, slab) {
      const own = opened(slab)
      if (isInUse() && own.device !== undefined) onDevice(() => device.embed(out, ids, numIds, own.device!))
      else atHome([], out, () => home.embed(out, ids, numIds, own.home))
    },
    matmul(out, x, numRows, slab) {
      const own = opened(slab)
      if (isInUse() && own.device !== undefined) onDevice(() => device.matmul(out, x, numRows, own.device!))
      else atHome([[x, numRows]], out, () => home.matmul(out, x, numRows, own.home))
    },
    expert(out, x, firstRow, numRows, slab) {
      const own = opened(slab)
      // An expert by itself is one that is looked into: it must give the same bits wherever else it runs.
      if (own.isPinned && isInUse() && own.device !== undefined)
        return onDevice(() => device.expert(out, x, firstRow, numRows, own.device!))
      const end = firstRow + numRows
      const inputs: Inputs = [[x, end], ...(own.isPinned ? [] : [[out, out.values.length / out.width] as const])]
      atHome(inputs, out, () => home.expert(out, x, firstRow, numRows, own.home))
    },
    experts: experts.run,
    combine: experts.combine,
    attend(out, qkv, slots, layer) {
      if (deviceHas("attend")) {
        tier.holdState()
        return onDevice(() => device.attend(out, qkv, slots, layer))
      }
      const numRows = slots.reduce((most, { firstRow, numRows: own }) => Math.max(most, firstRow + own), 0)
      atHome([[qkv, numRows]], out, () => home.attend(out, qkv, slots, layer))
    },
    norm(out, x, numRows, weight, epsilon) {
      if (deviceHas("norm")) onDevice(() => device.norm(out, x, numRows, weight, epsilon))
      else atHome([[x, numRows]], out, () => home.norm(out, x, numRows, weight, epsilon))
    },
    addScaled(out, x, numRows, factors) {
      if (deviceHas("addScaled")) return onDevice(() => device.addScaled(out, x, numRows, factors))
      const inputs: Inputs = [x, out].map((rows) => [rows, numRows])
      atHome(inputs, out, () => home.addScaled(out, x, numRows, factors))
    },
    routedExperts(out, routing, logits, x, numRows, layer) {
      const router = heldOf(opened(layer.router))
      const slabs = layer.slabs.map((slab) => heldOf(opened(slab)))
      const { sharedExpert: shared } = layer
      const sharedExpert = shared && { ...shared, slab: heldOf(opened(shared.slab)) }
      const held = { ...layer, router, slabs, sharedExpert }
      onDevice(() => device.routedExperts!(out, routing, logits, x, numRows, held))
    },
    holdsLayer({ router, slabs, sharedExpert }) {
      if (!isInUse()) return false
      const isHeld = (slab: Slab): boolean => opened(slab).device !== undefined
      return isHeld(router) && (sharedExpert === undefined || isHeld(sharedExpert.slab)) && slabs.every(isHeld)
    },
    copyRows(to, toRow, from, fromRow, numRows) {
      const isTheirs = isInUse() && device.copyRows !== undefined
      if (isTheirs) return onDevice(() => device.copyRows!(to, toRow, from, fromRow, numRows))
      const copy = (): void => copyCacheRows(to, toRow, from, fromRow, numRows)
      // Without `copyRows` a device keeps no caches either.
      if (!("values" in to && "values" in from)) return copy()
      const inputs: Inputs = [from, to].map((rows) => [rows, rows.values.length / rows.width])
      atHome(inputs, to, copy)
    },
    shortlist(out, logits, numRows) {
      if (isInUse()) onDevice(() => device.shortlist!(out, logits, numRows))
      else shortlistRowsPlain(out, logits, numRows)
    },
    beginStep() {
      if (!isInUse()) return
      onDevice(() => device.beginStep?.())
      tier.isInStep = true
    },
    read(rows, numRows) {
      if (isInUse()) onDevice(() => device.read?.(rows, numRows))
    },
    submit() {
      if (isInUse()) onDevice(() => device.submit?.())
    },
    sync() {
      if (isInUse()) onDevice(() => device.sync?.())
    },
    wrote(rows) {
      if (isInUse()) onDevice(() => device.wrote?.(rows))
    },
    endStep() {
      if (isInUse()) onDevice(() => device.endStep?.())
      tier.isInStep = false
    },
    kernelMs: () => home.kernelMs?.() ?? 0,
    endHost: () => (tier.state === "in-use" && device.endHost?.() === true) || home.endHost?.() === true,
    close() {
      experts.close()
      device.close()
      home.close()
    },
  }
}

function heldOf({ device }: TierSlab): Slab {
  if (device === undefined) throw new Error("gpu: routedExperts wants all of its slabs on the device")
  return device
}
