import { type Pointer, toArrayBuffer } from "bun:ffi"
import { COMMAND, MOST_PARAMETERS } from "./GpuLine.ts"
import { createDeviceKernels, type DeviceKernels } from "./DeviceKernels.ts"
import type { KernelClock } from "./KernelClock.ts"
import { areSameCommands, isRepeatable, nextCommand, numPlaces, PLACE_PARAMETERS } from "./tapes.ts"

/**
 * Carries out tapes of commands on one device.
 *
 * To encode a step's commands takes a processor as long as a fast device takes to run them. Steps of decoding are the same commands again and again: while one runs, the next
 * is encoded, and needs its parameters alone.
 */
export interface DeviceRunner extends Pick<DeviceKernels, "codes" | "prepare"> {
  /** Those that `create` made and `destroy` has not ended. */
  readonly numBuffers: number
  /** Returns the milliseconds that its kernels ran, 0 without a clock. @throws Error that says the device was lost, or what it refused in its own words */
  run(tape: Float64Array): Promise<number>
  destroy(): void
}

/** A part of the staging buffer that goes to memory of this process. */
interface Pending {
  readonly from: number
  readonly address: number
  readonly bytes: number
}

/** Places for parameters of one submission: dispatches of a step of a hundred layers take one or a few each. */
const NUM_PLACES = 4096
const PLACE_BYTES = PLACE_PARAMETERS * 4
/** Bytes that each dispatch binds, its own first. */
const BOUND_BYTES = MOST_PARAMETERS * 4
/** Most bytes of one upload: drivers keep a copy of each. */
const WINDOW_BYTES = 2 ** 26

const USAGE = { mapRead: 1, copySource: 4, copyTarget: 8, uniform: 64, storage: 128 } as const

/** What is done with a tape: its values are written, its commands encoded, or both. */
interface Reading {
  readonly writes: boolean
  readonly encodes: boolean
}
const WHOLE: Reading = { writes: true, encodes: true }
const VALUES: Reading = { writes: true, encodes: false }
const COMMANDS: Reading = { writes: false, encodes: true }

/** Creates what runs tapes on a device, and owns it. */
export function createDeviceRunner(device: GPUDevice, clock?: KernelClock): DeviceRunner {
  const { queue } = device
  const buffers = new Map<number, GPUBuffer>()
  const parameters = new Uint32Array(NUM_PLACES * PLACE_PARAMETERS)
  const size = parameters.byteLength + BOUND_BYTES
  const uniforms = device.createBuffer({ size, usage: USAGE.uniform | USAGE.copyTarget })
  const kernels = createDeviceKernels(device, uniforms, BOUND_BYTES, buffers)
  let staging = device.createBuffer({ size: 2 ** 16, usage: USAGE.mapRead | USAGE.copyTarget })
  let encoder: GPUCommandEncoder | undefined
  let pass: GPUComputePassEncoder | undefined
  let placesTaken = 0
  let refusal: string | undefined
  let lost: string | undefined
  /** The last tape, where it can be run again; and the commands of the next one, should it be the same. */
  let known: Float64Array | undefined
  let ahead: GPUCommandBuffer | undefined
  device.lost.then(({ message }) => (lost = message || "no reason given"))
  const noteRefusal = ({ error }: GPUUncapturedErrorEvent): void => {
    refusal ??= error.message
  }
  device.addEventListener("uncapturederror", noteRefusal)

  /** Ends what is encoded. */
  const finish = (): GPUCommandBuffer | undefined => {
    pass?.end()
    const commands = encoder?.finish()
    pass = encoder = undefined
    return commands
  }
  const submit = (commands = finish()): void => {
    if (commands !== undefined) {
      if (placesTaken > 0) queue.writeBuffer(uniforms, 0, parameters, 0, placesTaken * PLACE_PARAMETERS)
      clock?.beforeSubmit()
      queue.submit([commands])
    }
    placesTaken = 0
  }

  /** Ends the pass, for what is recorded between passes. */
  const betweenPasses = (): GPUCommandEncoder => {
    pass?.end()
    pass = undefined
    return (encoder ??= device.createCommandEncoder())
  }

  const write = (buffer: GPUBuffer, offset: number, address: number, bytes: number): void => {
    // The queue writes before what is submitted later: what was recorded up to here must not see it.
    submit()
    for (let at = 0; at < bytes; at += WINDOW_BYTES) {
      const part = toArrayBuffer((address + at) as Pointer, 0, Math.min(WINDOW_BYTES, bytes - at))
      queue.writeBuffer(buffer, offset + at, part)
    }
  }

  const dispatch = (values: Float64Array, { writes, encodes }: Reading): void => {
    const [id, x, y, numParameters] = values as unknown as [number, number, number, number]
    const places = numPlaces(numParameters)
    if (placesTaken + places > NUM_PLACES) submit()
    if (writes) parameters.set(values.subarray(4, 4 + numParameters), placesTaken * PLACE_PARAMETERS)
    if (encodes) {
      encoder ??= device.createCommandEncoder()
      pass ??= encoder.beginComputePass(clock?.nextPass())
      kernels.dispatch(pass, id, placesTaken * PLACE_BYTES, [x, y], [...values.subarray(5 + numParameters)])
    }
    placesTaken += places
  }

  /** Copies to staging in the order of the tape; a larger staging buffer is made before anything is copied. */
  const copyOut = (reads: readonly (Pending & { readonly buffer: number; readonly offset: number })[]): void => {
    const bytes = reads.reduce((sum, read) => sum + read.bytes, 0)
    if (bytes > staging.size) {
      staging.destroy()
      staging = device.createBuffer({ size: 2 ** Math.ceil(Math.log2(bytes)), usage: USAGE.mapRead | USAGE.copyTarget })
    }
    const copies = betweenPasses()
    for (const { buffer, offset, from, bytes: size } of reads)
      copies.copyBufferToBuffer(buffers.get(buffer)!, offset, staging, from, size)
  }

  const map = async (reads: readonly Pending[]): Promise<void> => {
    const end = reads.at(-1)!.from + reads.at(-1)!.bytes
    try {
      await staging.mapAsync(1, 0, end)
    } catch (error) {
      throw new Error(`the device was lost: ${lost ?? (error as Error).message}`, { cause: error })
    }
    const mapped = new Uint8Array(staging.getMappedRange(0, end))
    for (const { from, address, bytes } of reads)
      new Uint8Array(toArrayBuffer(address as Pointer, 0, bytes)).set(mapped.subarray(from, from + bytes))
    staging.unmap()
  }

  /** Reads a tape; returns what is to be copied out. */
  const read = (tape: Float64Array, reading: Reading): Parameters<typeof copyOut>[0] => {
    const reads: (Pending & { buffer: number; offset: number })[] = []
    let from = 0
    for (let at = 0; at < tape.length; at = nextCommand(tape, at)) {
      const command = tape[at]
      const values = tape.subarray(at + 1, nextCommand(tape, at))
      const [first, second, third, fourth] = values as unknown as [number, number, number, number]
      if (command === COMMAND.create) {
        const usage = USAGE.storage | USAGE.copySource | USAGE.copyTarget
        buffers.set(first, device.createBuffer({ size: second, usage }))
      } else if (command === COMMAND.destroy) {
        submit()
        kernels.unbind()
        buffers.get(first)?.destroy()
        buffers.delete(first)
      } else if (command === COMMAND.kernel) {
        kernels.compile(first, String.fromCharCode(...values.subarray(2)))
      } else if (command === COMMAND.write) {
        if (reading.writes) write(buffers.get(first)!, second, third, fourth)
      } else if (command === COMMAND.dispatch) {
        dispatch(values, reading)
      } else if (command === COMMAND.copy) {
        if (reading.encodes)
          betweenPasses().copyBufferToBuffer(buffers.get(first)!, second, buffers.get(third)!, fourth, values[4]!)
      } else {
        reads.push({ buffer: first, offset: second, address: third, bytes: fourth, from })
        from += fourth
      }
    }
    return reads
  }

  const encodeAhead = (tape: Float64Array): GPUCommandBuffer | undefined => {
    const reads = read(tape, COMMANDS)
    placesTaken = 0
    if (reads.length > 0) copyOut(reads)
    return finish()
  }

  return {
    get numBuffers() {
      return buffers.size
    },
    get codes() {
      return kernels.codes
    },
    prepare: kernels.prepare,
    async run(tape) {
      if (lost !== undefined) throw new Error(`the device was lost: ${lost}`)
      device.pushErrorScope("out-of-memory")
      device.pushErrorScope("validation")
      const isRepeated = known !== undefined && areSameCommands(known, tape)
      const commands = isRepeated ? ahead : undefined
      ahead = undefined
      const reads = read(tape, commands === undefined ? WHOLE : VALUES)
      if (commands === undefined && reads.length > 0) copyOut(reads)
      submit(commands)
      const scopes = Promise.all([device.popErrorScope(), device.popErrorScope()])
      const mapping = reads.length > 0 ? map(reads) : undefined
      if (isRepeated) ahead = encodeAhead(known!)
      // Kernels that are timed have passes of their own.
      else known = clock === undefined && isRepeatable(tape, NUM_PLACES) ? tape.slice() : undefined
      const [errors, mapped] = await Promise.allSettled([scopes, mapping])
      const [invalid, full] = errors.status === "fulfilled" ? errors.value : []
      const found = (invalid ?? full)?.message ?? refusal
      refusal = undefined
      // What is refused cannot be read either: the refusal is the reason.
      if (found !== undefined && lost === undefined) throw new Error(found)
      if (mapped.status === "rejected") throw mapped.reason
      return (await clock?.takeMs()) ?? 0
    },
    destroy() {
      buffers.clear()
      // Else the two hold each other for ever: Dawn's side knows nothing of cycles.
      device.removeEventListener("uncapturederror", noteRefusal)
      device.destroy()
    },
  }
}
