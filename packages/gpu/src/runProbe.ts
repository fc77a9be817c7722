import type { Probe } from "./probes.ts"

/** Runs a probe; returns what is wrong with its answers. Null adapters answer with zeros, and report no error. */
export async function runProbe(device: GPUDevice, { code, answers }: Probe): Promise<string | undefined> {
  const bytes = answers.byteLength
  const out = device.createBuffer({ size: bytes, usage: 128 | 4 })
  const staging = device.createBuffer({ size: bytes, usage: 1 | 8 })
  device.pushErrorScope("validation")
  try {
    const module = device.createShaderModule({ code })
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
    const refusal = await device.popErrorScope()
    if (refusal !== null) return refusal.message
    await staging.mapAsync(1)
    const found = new Float32Array(staging.getMappedRange())
    const at = answers.findIndex((expected, i) => found[i] !== expected)
    return at < 0 ? undefined : `known answer ${at}: expected ${answers[at]}, found ${found[at]}`
  } catch (error) {
    return (error as Error).message
  } finally {
    out.destroy()
    staging.destroy()
  }
}
