/**
 * A device's queue as synchronous calls: commands are put on a tape, and `run` returns when a worker of its own has carried them out.
 *
 * WebGPU answers by promises, which a caller that must not return first cannot await: the worker awaits, the caller waits by `Atomics`.
 */
import { ptr } from "bun:ffi"
import { GPU_FEATURES, type GpuFeature } from "./GpuFeatures.ts"
import { ASK, COMMAND, type GpuLine, LINE } from "./GpuLine.ts"
import { type GpuWorker, startGpuWorker } from "./GpuWorker.ts"
import type { GpuAdapterInfo } from "./openDevice.ts"

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
  /** Opens a device anew while the caller goes on: false until one is open. @throws Error where none can be opened; what is called next tries again */
  tryOpen(): boolean
  createBuffer(bytes: number): BufferId
  destroyBuffer(buffer: BufferId): void
  createKernel(code: string): KernelId
  /** Copies memory of this process, a multiple of 4 bytes, to a buffer: to its start, or from `offset` on. */
  write(buffer: BufferId, address: number, bytes: number, offset?: number): void
  /** Copies values, a multiple of 4 bytes, as they are now to the start of a buffer. */
  writeValues(buffer: BufferId, values: Uint32Array | Int32Array | Float32Array): void
  /** Copies a part of a buffer, in multiples of 4 bytes, to another one. */
  copy(from: BufferId, fromOffset: number, to: BufferId, toOffset: number, bytes: number): void
  /** Runs a kernel in `x` × `y` workgroups: parameters are its uniform u32 values, at most `MOST_PARAMETERS`, buffers its bindings from 1 on. */
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

/** A worker that has not answered for so long never will: the driver hangs. Half of what the service waits for a step, so that the step still runs elsewhere. The worker is left behind, and another one opens the next device. */
const ANSWER_MS = 30_000
/** A run with new kernels may take so much longer: drivers compile at the first dispatch, those on the processor for half a minute. */
const COMPILE_MS = 60_000
const WORKER = new URL("./queueWorker.ts", import.meta.url)
/** So many workers are left behind at most: each keeps its memory. */
const MOST_HUNG = 4

export interface GpuQueueOptions {
  /** Whether kernels are timed, which costs each run a second way to the device and back: for measurements. False unless given. */
  readonly timesKernels?: boolean
  /** What kernels may use of what the device has beyond plain WGSL. All unless given. */
  readonly allowedFeatures?: readonly GpuFeature[]
  /** What the worker runs, and how long an answer may take: for tests of drivers that hang. */
  readonly script?: URL
  readonly answerMs?: number
}

/** Starts the worker and opens a device. @throws Error in one line: which adapter was refused and why, or that there is none */
export function openGpuQueue(options: GpuQueueOptions = {}): GpuQueue {
  const { timesKernels = false, allowedFeatures = GPU_FEATURES, script = WORKER, answerMs = ANSWER_MS } = options
  let worker: GpuWorker | undefined
  let tape: GpuLine["tape"] = new Float64Array(0)
  let [half, start, length, generation, numIds, kernelMs, numHung] = [0, 0, 0, 0, 0, 0, 0]
  /** What is put down has new kernels. */
  let compiles = false
  let state: "open" | "opening" | "lost" | "closed" = "lost"
  let adapter: GpuAdapterInfo | undefined
  /** What each half of the tape holds addresses of, so that it is not collected before it was copied. */
  const kept: readonly [unknown[], unknown[]] = [[], []]
  const keptOf = (begin: number): unknown[] => kept[begin === 0 ? 0 : 1]
  /** The same of workers that hang: they may read it yet. */
  const left: unknown[] = []

  const startWorker = (): GpuWorker => {
    const started = startGpuWorker(script, allowedFeatures)
    started.line.control[LINE.timesKernels] = timesKernels ? 1 : 0
    tape = started.line.tape
    // One half is filled while the worker reads the other.
    half = tape.length / 2
    return started
  }
  const send = (what: number): void => {
    worker ??= startWorker()
    worker.ask(what, start, length, answerMs + (compiles ? COMPILE_MS : 0))
    start = half - start
    clear()
    keptOf(start).length = 0
  }
  const leaveBehind = (): void => {
    worker!.end()
    worker = undefined
    left.push(...kept.flat())
    if (++numHung === MOST_HUNG) state = "closed"
  }
  /** Waits for what was sent; returns the answer's text. */
  const settle = (): string => {
    if (worker?.isAsked !== true) return ""
    const { what, kind, words } = worker.takeAnswer()
    if (kind === "done") {
      if (what === ASK.run) kernelMs += Number(words)
      return words
    }
    // Of what was refused, a part may have been made: a new device holds nothing.
    state = "lost"
    if (kind === "late") leaveBehind()
    throw new Error(`gpu: ${words}`)
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
  /** Forgets what is put down. */
  const clear = (): void => {
    length = 0
    compiles = false
  }
  const beginOpening = (): void => {
    clear()
    // The worker compiles what the last device had.
    compiles = generation > 0
    send(ASK.open)
    state = "opening"
  }
  const endOpening = (): void => {
    adapter = JSON.parse(settle()) as GpuAdapterInfo
    state = "open"
    generation++
  }
  const close = (): void => {
    forget()
    if (state === "closed") return
    if (worker !== undefined) {
      // What hangs cannot be asked to end; whoever closes goes on.
      send(ASK.close)
      forget()
      worker?.end()
    }
    state = "closed"
  }
  const refuseClosed = (): void => {
    if (state === "closed")
      throw new Error(numHung === MOST_HUNG ? `gpu: its driver hung ${numHung} times` : "gpu: the queue is closed")
  }
  const runTape = (): void => void ask(ASK.run)
  /** Puts a command on the tape. One that has no room waits until those before it are carried out. */
  const add = (...values: readonly number[]): void => {
    if (length + values.length > half) runTape()
    tape.set(values, start + length)
    length += values.length
  }

  try {
    beginOpening()
    endOpening()
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
      return worker === undefined ? 0 : Atomics.load(worker.line.control, LINE.numBuffers)
    },
    get kernelMs() {
      return kernelMs
    },
    begin() {
      refuseClosed()
      if (state === "open") settle()
      if (state === "lost") beginOpening()
      if (state === "opening") endOpening()
    },
    tryOpen() {
      refuseClosed()
      if (state === "lost") beginOpening()
      if (state === "opening" && worker!.isDue) endOpening()
      return state === "open"
    },
    createBuffer(bytes) {
      add(COMMAND.create, numIds, bytes)
      return numIds++
    },
    destroyBuffer: (buffer) => add(COMMAND.destroy, buffer),
    createKernel(code) {
      add(COMMAND.kernel, numIds, code.length, ...Array.from(code, (character) => character.charCodeAt(0)))
      compiles = true
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
      clear()
      forget()
      if (state === "open") ask(ASK.lose)
      if (state === "opening") state = "lost"
    },
    close,
  }
}
