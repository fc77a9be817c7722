/** A device's kernels, and their bindings to buffers: made once for each, since a step repeats those of the last one. */
export interface DeviceKernels {
  /** The WGSL of all that were compiled. */
  readonly codes: readonly string[]
  /** Compiles what another device had, side by side: `compile` then finds it done. What is refused is told there. */
  prepare(codes: readonly string[]): Promise<void>
  /** Compiles WGSL: binding 0 is the uniform parameters, all others are storage. */
  compile(id: number, code: string): void
  /** Records a dispatch, with its parameters at an offset of the uniform buffer. */
  dispatch(
    pass: GPUComputePassEncoder,
    id: number,
    offset: number,
    grid: readonly [x: number, y: number],
    bound: readonly number[],
  ): void
  /** Forgets bindings: one of their buffers is gone. */
  unbind(): void
}

interface Kernel {
  readonly pipeline: GPUComputePipeline
  readonly layout: GPUBindGroupLayout
  /** By the numbers of the buffers. */
  readonly groups: Map<string, GPUBindGroup>
}

/** Stages that see a binding. */
const COMPUTE = 4
const BINDING = /@binding\((\d+)\) var<(uniform|storage, read_write|storage, read)>/g
const TYPES = {
  uniform: "uniform",
  "storage, read": "read-only-storage",
  "storage, read_write": "storage",
} as const

/**
 * @param uniforms holds the parameters of dispatches, of which each binds `boundBytes` from its own on
 * @param buffers by the numbers that the tape gives them
 */
export function createDeviceKernels(
  device: GPUDevice,
  uniforms: GPUBuffer,
  boundBytes: number,
  buffers: ReadonlyMap<number, GPUBuffer>,
): DeviceKernels {
  const kernels = new Map<number, Kernel>()
  const codes = new Set<string>()
  const prepared = new Map<string, Omit<Kernel, "groups">>()

  const bind = ({ layout }: Kernel, bound: readonly number[]): GPUBindGroup => {
    const storage = bound.map((buffer) => ({ buffer: buffers.get(buffer)! }))
    const entries = [{ buffer: uniforms, size: boundBytes }, ...storage].map((resource, binding) => ({
      binding,
      resource,
    }))
    return device.createBindGroup({ layout, entries })
  }

  return {
    get codes() {
      return [...codes]
    },
    async prepare(wanted) {
      device.pushErrorScope("validation")
      const compiled = wanted.map(async (code) => {
        const { layout, descriptor } = describe(device, code)
        prepared.set(code, { layout, pipeline: await device.createComputePipelineAsync(descriptor) })
      })
      await device.popErrorScope()
      await Promise.allSettled(compiled)
    },
    compile(id, code) {
      codes.add(code)
      let kernel = prepared.get(code)
      if (kernel === undefined) {
        const { layout, descriptor } = describe(device, code)
        kernel = { layout, pipeline: device.createComputePipeline(descriptor) }
      }
      kernels.set(id, { ...kernel, groups: new Map() })
    },
    dispatch(pass, id, offset, [x, y], bound) {
      const kernel = kernels.get(id)!
      const key = bound.join()
      const group = kernel.groups.get(key) ?? bind(kernel, bound)
      kernel.groups.set(key, group)
      pass.setPipeline(kernel.pipeline)
      pass.setBindGroup(0, group, [offset])
      pass.dispatchWorkgroups(x, y)
    },
    unbind() {
      for (const { groups } of kernels.values()) groups.clear()
    },
  }
}

function describe(device: GPUDevice, code: string) {
  const entries = [...code.matchAll(BINDING)].map(([, binding, kind]) => {
    const type = TYPES[kind as keyof typeof TYPES]
    const buffer = { type, hasDynamicOffset: type === "uniform" }
    return { binding: Number(binding), visibility: COMPUTE, buffer }
  })
  const layout = device.createBindGroupLayout({ entries })
  const module = device.createShaderModule({ code })
  const descriptor = {
    layout: device.createPipelineLayout({ bindGroupLayouts: [layout] }),
    compute: { module, entryPoint: "main" },
  }
  return { layout, descriptor }
}
