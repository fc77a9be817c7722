import { type AdapterSubgroups, chooseFeatures, KERNEL_FEATURES } from "./chooseFeatures.ts"
import type { GpuFeature, GpuFeatures } from "./GpuFeatures.ts"
import { PLAIN_PROBE } from "./probes.ts"
import { runProbe } from "./runProbe.ts"

/** What an adapter says of itself. */
export interface GpuAdapterInfo {
  /** As its driver names it. */
  readonly name: string
  /** The device, in a word that drivers agree on: `nvidia-geforce-rtx-4090`. */
  readonly model: string
  /** Computed by the processor: right, and slow. */
  readonly isSoftware: boolean
  /** Most bytes of one slab. */
  readonly maxBufferBytes: number
  /** Whether the device itself can say when kernels begin and end. */
  readonly hasTimestamps: boolean
  /** What kernels use beyond plain WGSL. */
  readonly features: GpuFeatures
}

/** Kept while a device is in use: Dawn ends with its last reference. */
let gpu: GPU | undefined

/**
 * Opens a device on the best adapter, once a small kernel has given its known answers there.
 *
 * @param allowed what kernels may use of what it has
 * @throws Error in one line: that there is no adapter, or which one was refused and why
 */
export async function openDevice(
  allowed: readonly GpuFeature[],
): Promise<{ readonly device: GPUDevice; readonly info: GpuAdapterInfo }> {
  gpu ??= await loadWebgpu()
  const adapter = await gpu.requestAdapter({ powerPreference: "high-performance" })
  if (adapter === null)
    throw new Error("expected an adapter, found none: WebGPU wants a driver for Vulkan, Metal or Direct3D 12")
  const { vendor, architecture, device: model, description, isFallbackAdapter } = adapter.info
  const name = description || model || [vendor, architecture].join(" ").trim() || "unnamed"
  const { maxBufferSize, maxStorageBufferBindingSize, maxComputeWorkgroupStorageSize } = adapter.limits
  const hasTimestamps = adapter.features.has("timestamp-query")
  const device = await adapter.requestDevice({
    requiredLimits: { maxBufferSize, maxStorageBufferBindingSize, maxComputeWorkgroupStorageSize },
    requiredFeatures: ["timestamp-query", ...KERNEL_FEATURES].filter((feature) =>
      adapter.features.has(feature),
    ) as GPUFeatureName[],
  })
  const wrong = await runProbe(device, PLAIN_PROBE)
  if (wrong !== undefined) {
    device.destroy()
    throw new Error(`the adapter ${name} is refused: ${wrong}`)
  }
  const maxBufferBytes = Math.min(maxBufferSize, maxStorageBufferBindingSize)
  const features = await chooseFeatures(device, adapter.info as AdapterSubgroups, allowed)
  const info: GpuAdapterInfo = {
    name,
    model: modelWord(model || name),
    isSoftware: isFallbackAdapter,
    maxBufferBytes,
    hasTimestamps,
    features,
  }
  return { device, info }
}

/** Returns a device's name as a word: `NVIDIA GeForce RTX 4090` and what Dawn makes of it are one. */
export function modelWord(name: string): string {
  return name
    .toLowerCase()
    .replaceAll(/[^a-z0-9]+/g, "-")
    .replaceAll(/^-|-$/g, "")
}

async function loadWebgpu(): Promise<GPU> {
  const { create, globals } = await import("webgpu")
  Object.assign(globalThis, globals)
  // Timestamps in steps of 65 µs, which protect a browser's users, are longer than most kernels; and subgroup matrices are an extension that is not final.
  return create(["disable-dawn-features=timestamp_quantization", "enable-dawn-features=allow_unsafe_apis"])
}
