import { PROBE_CODE, PROBE_ANSWERS } from "./probeKernel.ts"

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
}

/** Kept while a device is in use: Dawn ends with its last reference. */
let gpu: GPU | undefined

/**
 * Opens a device on the best adapter, once a small kernel has given its known answers there.
 *
 * @throws Error in one line: that there is no adapter, or which one was refused and why
 */
export async function openDevice(): Promise<{ readonly device: GPUDevice; readonly info: GpuAdapterInfo }> {
  gpu ??= await loadWebgpu()
  const adapter = await gpu.requestAdapter({ powerPreference: "high-performance" })
  if (adapter === null)
    throw new Error("expected an adapter, found none: WebGPU wants a driver for Vulkan, Metal or Direct3D 12")
  const { vendor, architecture, device: model, description, isFallbackAdapter } = adapter.info
  const name = description || model || [vendor, architecture].join(" ").trim() || "unnamed"
  const { maxBufferSize, maxStorageBufferBindingSize } = adapter.limits
  const hasTimestamps = adapter.features.has("timestamp-query")
  const device = await adapter.requestDevice({
    requiredLimits: { maxBufferSize, maxStorageBufferBindingSize },
    requiredFeatures: hasTimestamps ? ["timestamp-query"] : [],
  })
  const wrong = await probe(device)
  if (wrong !== undefined) {
    device.destroy()
    throw new Error(`the adapter ${name} is refused: ${wrong}`)
  }
  const maxBufferBytes = Math.min(maxBufferSize, maxStorageBufferBindingSize)
  const info = { name, model: modelWord(model || name), isSoftware: isFallbackAdapter, maxBufferBytes, hasTimestamps }
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
  // Timestamps in steps of 65 µs, which protect a browser's users, are longer than most kernels.
  return create(["disable-dawn-features=timestamp_quantization"])
}

/** Runs the probe; returns what is wrong with its answers. Null adapters answer with zeros, and report no error. */
async function probe(device: GPUDevice): Promise<string | undefined> {
  const bytes = PROBE_ANSWERS.byteLength
  const out = device.createBuffer({ size: bytes, usage: 128 | 4 })
  const staging = device.createBuffer({ size: bytes, usage: 1 | 8 })
  try {
    const module = device.createShaderModule({ code: PROBE_CODE })
    const pipeline = device.createComputePipeline({ layout: "auto", compute: { module, entryPoint: "main" } })
    const encoder = device.createCommandEncoder()
    const pass = encoder.beginComputePass()
    pass.setPipeline(pipeline)
    const entries = [{ binding: 0, resource: { buffer: out } }]
    pass.setBindGroup(0, device.createBindGroup({ layout: pipeline.getBindGroupLayout(0), entries }))
    pass.dispatchWorkgroups(1)
    pass.end()
    encoder.copyBufferToBuffer(out, 0, staging, 0, bytes)
    device.queue.submit([encoder.finish()])
    await staging.mapAsync(1)
    const found = new Float32Array(staging.getMappedRange())
    const at = PROBE_ANSWERS.findIndex((expected, i) => found[i] !== expected)
    return at < 0 ? undefined : `known answer ${at}: expected ${PROBE_ANSWERS[at]}, found ${found[at]}`
  } catch (error) {
    return (error as Error).message
  } finally {
    out.destroy()
    staging.destroy()
  }
}
