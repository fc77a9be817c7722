/**
 * A device's queue as synchronous calls: commands are put on a tape, and `run` returns when a worker of its own has carried them out.
 *
 * WebGPU answers by promises, which a caller that must not return first cannot await: the worker awaits, the caller waits by `Atomics`.
 */
import { ptr } from "bun:ffi"
import { GPU_FEATURES, type GpuFeature } from "./GpuFeatures.ts"
import { ANSWER, ASK, COMMAND, createGpuLine, LINE } from "./GpuLine.ts"
import type { GpuAdapterInfo } from "./openDevice.ts"
import type { GpuWork } from "./queueWorker.ts"

/** Names a buffer of the device that is open now. */
export type BufferId = number
/** Names a kernel of the device that is open now. */
export type KernelId = number

export interface GpuQueue {
  /** Of the device that was opened last. */
  readonly adapter: GpuAdapterInfo
  /** Counts devices: what was created on an earlier one is gone. */
  readonly generation: number
  /** What was created is gone; `begin` opens a device anew. */
  readonly isLost: boolean
  /** Buffers that live on the device, as its worker counts them. */
  readonly numBuffers: number
  /** Milliseconds that kernels ran on the device so far; 0 where they are not timed. */
  readonly kernelMs: number
  /** Opens a device anew where it was lost, or refused what it was told: all that was recorded is forgotten. @throws Error where none can be opened */
  begin(): void
  createBuffer(bytes: number): BufferId
  destroyBuffer(buffer: BufferId): void
  createKernel(code: string): KernelId
  /** Copies memory of this process, a multiple of 4 bytes, to a buffer: to its start, or from `offset` on. */
  write(buffer: BufferId, address: number, bytes: number, offset?: number): void
  /** Copies values, a multiple of 4 bytes, as they are now to the start of a buffer. */
  writeValues(buffer: BufferId, values: Uint32Array | Int32Array | Float32Array): void
  /** Copies a part of a buffer, in multiples of 4 bytes, to another one. */
  copy(from: BufferId, fromOffset: number, to: BufferId, toOffset: number, bytes: number): void
  /** Runs a kernel in `x` × `y` workgroups: parameters are its uniform u32 values, buffers its bindings from 1 on. */
  dispatch(
    kernel: KernelId,
    grid: readonly [x: number, y: number],
    parameters: readonly number[],
    buffers: readonly BufferId[],
  ): void
  /** Copies a part of a buffer, in multiples of 4 bytes, to memory of this process. */
  read(buffer: BufferId, offset: number, address: number, bytes: number): void
  /**
   * Has all commands carried out while the caller goes on. What they read of this process's memory must stay as it is, and what they write there is written, once the
   * next `run`, `submit` or `begin` has returned: these wait, and throw what became of it.
   */
  submit(): void
  /** Has all commands carried out. @throws Error in one line: what the device refused, or that it was lost */
  run(): void
  /** Loses the device, as a driver's reset does. */
  lose(): void
  close(): void
}

/** A worker that has not answered for so long never will: the driver hangs. Half of what the service waits for a step, so that the step still runs elsewhere. */
const ANSWER_MS = 30_000

export interface GpuQueueOptions {
  /** Whether kernels are timed, which costs each run a second way to the device and back: for measurements. False unless given. */
  readonly timesKernels?: boolean
  /** What kernels may use of what the device has beyond plain WGSL. All unless given. */
  readonly allowedFeatures?: readonly GpuFeature[]
}

/** Starts the worker and opens a device. @throws Error in one line: which adapter was refused and why, or that there is none */
export function openGpuQueue({ timesKernels = false, allowedFeatures = GPU_FEATURES }: GpuQueueOptions = {}): GpuQueue {
  const line = createGpuLine()
  const { control, tape, text } = line
  control[LINE.timesKernels] = timesKernels ? 1 : 0
  const worker = new Worker(new URL("./queueWorker.ts", import.meta.url).href)
  worker.unref()
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- that is for windows
  worker.postMessage({ line, allowedFeatures } satisfies GpuWork)
  // One half is filled while the worker reads the other.
  const half = tape.length / 2
  let [start, length, generation, numIds, kernelMs] = [0, 0, 0, 0, 0]
  /** The bell of what was asked and is not answered. */
  let asked: number | undefined
  let state: "open" | "lost" | "closed" = "lost"
  let adapter: GpuAdapterInfo | undefined
  /** What each half of the tape holds addresses of, so that it is not collected before it was copied. */
  const kept: readonly [unknown[], unknown[]] = [[], []]
  const keptOf = (begin: number): unknown[] => kept[begin === 0 ? 0 : 1]

  const send = (what: number): void => {
    Atomics.store(control, LINE.ask, what)
    Atomics.store(control, LINE.start, start)
    Atomics.store(control, LINE.length, length)
    start = half - start
    length = 0
    keptOf(start).length = 0
    asked = Atomics.add(control, LINE.bell, 1) + 1
    Atomics.notify(control, LINE.bell)
  }
  /** Waits for what was sent; returns the answer's text. */
  const settle = (): string => {
    if (asked === undefined) return ""
    const bell = asked
    asked = undefined
    const deadline = performance.now() + ANSWER_MS
    for (let done; (done = Atomics.load(control, LINE.done)) !== bell;) {
      if (Atomics.wait(control, LINE.done, done, Math.max(0, deadline - performance.now())) !== "timed-out") continue
      state = "closed"
      worker.terminate()
      throw new Error(
        `gpu: expected an answer of the device within ${ANSWER_MS / 1000} s, found none: its driver hangs`,
      )
    }
    const answer = new TextDecoder().decode(text.slice(0, control[LINE.textLength]))
    if (control[LINE.answer] === ANSWER.done) {
      if (control[LINE.ask] === ASK.run) kernelMs += Number(answer)
      return answer
    }
    // Of what was refused, a part may have been made: a new device holds nothing.
    state = "lost"
    throw new Error(`gpu: ${answer}`)
  }
  const ask = (what: number): string => {
    settle()
    send(what)
    return settle()
  }
  /** Waits for what was sent, whatever becomes of it. */
  const forget = (): void => {
    try {
      settle()
    } catch {
      // Nobody wants it any more.
    }
  }
  const open = (): void => {
    adapter = JSON.parse(ask(ASK.open)) as GpuAdapterInfo
    state = "open"
    generation++
  }
  const close = (): void => {
    forget()
    if (state === "closed") return
    // What hangs cannot be asked to end; whoever closes goes on.
    send(ASK.close)
    forget()
    state = "closed"
    worker.terminate()
  }
  const runTape = (): void => void ask(ASK.run)
  /** Puts a command on the tape. One that has no room waits until those before it are carried out. */
  const add = (...values: readonly number[]): void => {
    if (length + values.length > half) runTape()
    tape.set(values, start + length)
    length += values.length
  }

  try {
    open()
  } catch (error) {
    close()
    throw error
  }
  return {
    get adapter() {
      return adapter!
    },
    get generation() {
      return generation
    },
    get isLost() {
      return state !== "open"
    },
    get numBuffers() {
      return Atomics.load(control, LINE.numBuffers)
    },
    get kernelMs() {
      return kernelMs
    },
    begin() {
      if (state === "closed") throw new Error("gpu: the queue is closed")
      settle()
      if (state === "lost") open()
    },
    createBuffer(bytes) {
      add(COMMAND.create, numIds, bytes)
      return numIds++
    },
    destroyBuffer: (buffer) => add(COMMAND.destroy, buffer),
    createKernel(code) {
      add(COMMAND.kernel, numIds, code.length, ...Array.from(code, (character) => character.charCodeAt(0)))
      return numIds++
    },
    write: (buffer, address, bytes, offset = 0) => add(COMMAND.write, buffer, offset, address, bytes),
    writeValues(buffer, values) {
      const copy = values.slice()
      add(COMMAND.write, buffer, 0, ptr(copy), copy.byteLength)
      keptOf(start).push(copy)
    },
    copy: (from, fromOffset, to, toOffset, bytes) => add(COMMAND.copy, from, fromOffset, to, toOffset, bytes),
    dispatch: (kernel, [x, y], parameters, buffers) =>
      add(COMMAND.dispatch, kernel, x, y, parameters.length, ...parameters, buffers.length, ...buffers),
    read: (buffer, offset, address, bytes) => add(COMMAND.read, buffer, offset, address, bytes),
    submit() {
      settle()
      send(ASK.run)
    },
    run: runTape,
    lose() {
      length = 0
      forget()
      if (state === "open") ask(ASK.lose)
    },
    close,
  }
}
