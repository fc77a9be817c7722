import { ptr } from "bun:ffi"
import type { Arena, Span } from "../Arena.ts"
import { callable, type CodeSpace } from "./executableMemory.ts"
import { emitHostLoop, emitRunTask, emitRunTasks, emitSequence } from "./hostCode.ts"
import { CONTROL, controlBytes, hostState, STATE_SCRATCH } from "./hostControl.ts"
import { RECORD_BYTES, RECORD_CODE, RECORD_VALUES, SEQUENCE } from "./kernelAbi.ts"

/** Most tasks of a phase, and most records of their sequences; a fuller phase is run in parts. */
const MAX_TASKS = 4096
const MAX_STEPS = 16384
/** How long a host looks for work before it sleeps: longer than JavaScript takes between the phases of a step, and nothing to a service that idles. */
const SPIN_MS = 0.2
/** Looks that the spinning is measured by. */
const NUM_LOOKS = 2000

/** What a worker is told at its start. */
export interface HostStart {
  readonly control: SharedArrayBuffer
  readonly hostId: number
  /** Address of `emitHostLoop`'s code. */
  readonly loop: number
  readonly numSpins: number
}

/**
 * The expert hosts: this thread and a worker for each further core, which run the tasks of a phase together.
 *
 * Tasks are written to `records`, then `run` has all of them run, by whichever host takes them, and returns when the last has ended. A worker that the
 * system has put aside is never waited for unless it has taken a task; one that is not up yet, or never comes, is simply not there.
 */
export interface HostPool {
  readonly numHosts: number
  /** All records, 16 values each; `add` and `addSequence` say where one begins. */
  readonly records: Float64Array
  /**
   * Adds a task of this phase; returns the index of its record's first value.
   *
   * When the phase is full it is run first: tasks of a phase may run in any order, and a record is complete when the next is added.
   *
   * @throws Error when the pool is closed
   */
  add(code: number): number
  /** Adds a task that runs `numSteps` records in order on one host; returns the index of the first, whose codes are the caller's to write. */
  addSequence(numSteps: number): number
  /** Returns the address of a JavaScript array for records of this phase, and keeps it alive until they have run. */
  hold(values: Float32Array | Int32Array): number
  /** Runs the phase's tasks and waits for them. */
  run(): void
  /** Makes each host's scratch memory at least `bytes` large. Not between `add` and `run`. @throws ArenaFullError */
  reserveScratch(bytes: number): void
  /** Milliseconds that phases have taken so far. */
  readonly elapsedMs: number
  /** Ends one worker thread between its tasks, as a fault; returns false where there is none. Another comes in its place. */
  endHost(): boolean
  /** Stops the workers, waits until none of them runs code any more, and frees the scratch. No phase may be running. */
  close(): void
}

/** Starts the hosts; it does not wait for them. */
export function createHostPool(arena: Arena, space: CodeSpace, numHosts: number): HostPool {
  const bytes = controlBytes(numHosts)
  const firstTask = bytes / 8
  const firstStep = firstTask + MAX_TASKS * RECORD_VALUES
  const memory = new SharedArrayBuffer(bytes + (MAX_TASKS + MAX_STEPS) * RECORD_BYTES)
  const words = new Int32Array(memory)
  const records = new Float64Array(memory)
  const address = ptr(words)
  const runTasks = callable(space.place(emitRunTasks()), 2)
  const runTask = callable(space.place(emitRunTask()), 2)
  const sequence = space.place(emitSequence())
  const loop = space.place(emitHostLoop())
  const start = { control: memory, loop, numSpins: countSpins(loop, address) }
  let isTold = false
  /** Starts the worker of a host, again when it has ended. What one that cannot start does not do, the others do: it is told of once. */
  const startHost = (hostId: number): Worker =>
    startWorker(
      { ...start, hostId },
      () => {
        if (!isClosed) workers[hostId - 1] = startHost(hostId)
      },
      (reason) => {
        if (isTold) return
        isTold = true
        process.emitWarning(
          `x64: expected ${numHosts - 1} worker threads, one failed (${reason}): its work goes to the others`,
        )
      },
    )
  /** By host; undefined between one that was ended and the next. */
  const workers: (Worker | undefined)[] = Array.from({ length: numHosts - 1 }, (_, i) => startHost(i + 1))
  const scratch: Span[] = []
  const held: (Float32Array | Int32Array)[] = []
  let [numTasks, numSteps, epoch, elapsedMs, scratchBytes] = [0, 0, 0, 0, 0]
  let isClosed = false

  /** Order matters: until the counter is reset, a host that comes late finds nothing to take. See `emitTakeTasks`. */
  const publish = (): void => {
    epoch = (epoch + 1) & 0x7fffffff
    Atomics.store(words, CONTROL.taken, 0x7fffffff)
    Atomics.store(words, CONTROL.takenEpoch, epoch)
    records[CONTROL.list] = address + firstTask * 8
    records[CONTROL.numTasks] = numTasks
    Atomics.store(words, CONTROL.done, 0)
    Atomics.store(words, CONTROL.taken, 0)
    Atomics.store(words, CONTROL.epoch, epoch)
    // A worker leaves before it looks at the epoch for the last time: seen inside now, it has yet to look.
    if (Atomics.load(words, CONTROL.numInside) < workers.length) Atomics.notify(words, CONTROL.epoch)
  }

  const runPart = (): void => {
    if (numTasks === 0) return
    const started = performance.now()
    if (numTasks === 1) runTask(address + firstTask * 8, records[hostState(0) + STATE_SCRATCH]!)
    else {
      publish()
      runTasks(address, address + hostState(0) * 8)
    }
    numTasks = 0
    numSteps = 0
    elapsedMs += performance.now() - started
  }

  const add = (code: number): number => {
    if (isClosed) throw new Error("x64: this backend is closed")
    if (numTasks === MAX_TASKS) runPart()
    const at = firstTask + numTasks++ * RECORD_VALUES
    records[at + RECORD_CODE] = code
    return at
  }

  const freeScratch = (): void => {
    scratchBytes = 0
    for (const span of scratch.splice(0)) arena.free(span)
  }

  return {
    numHosts,
    records,
    get elapsedMs() {
      return elapsedMs
    },
    add,
    addSequence(length) {
      if (numSteps + length > MAX_STEPS || numTasks === MAX_TASKS) runPart()
      const first = firstStep + numSteps * RECORD_VALUES
      const task = add(sequence)
      numSteps += length
      records[task + SEQUENCE.steps] = address + first * 8
      records[task + SEQUENCE.numSteps] = length
      return first
    },
    hold(values) {
      // Of an empty array there is no address, and nobody to ask for one.
      if (values.length === 0) return 0
      held.push(values)
      return ptr(values)
    },
    run() {
      runPart()
      held.length = 0
    },
    reserveScratch(wanted) {
      if (wanted <= scratchBytes) return
      freeScratch()
      for (let host = 0; host < numHosts; host++) {
        const span = arena.allocate(wanted)
        scratch.push(span)
        records[hostState(host) + STATE_SCRATCH] = arena.address(span)
      }
      scratchBytes = wanted
    },
    endHost() {
      const host = workers.findIndex((worker) => worker !== undefined)
      if (host < 0) return false
      // Inside, it would be counted for ever: hosts leave soon where there is no work.
      for (let inside; (inside = Atomics.load(words, CONTROL.numInside)) > 0;)
        Atomics.wait(words, CONTROL.numInside, inside, 1)
      workers[host]!.terminate()
      workers[host] = undefined
      return true
    },
    close() {
      if (isClosed) return
      isClosed = true
      numTasks = 0
      Atomics.store(words, CONTROL.isStopped, 1)
      publish()
      // The system may have put a worker aside in the middle of code that is unmapped next.
      for (let inside; (inside = Atomics.load(words, CONTROL.numInside)) > 0;)
        Atomics.wait(words, CONTROL.numInside, inside, 1)
      for (const worker of workers) worker?.terminate()
      freeScratch()
    },
  }
}

/** Returns how many looks a host takes in `SPIN_MS`: one is 10 ns on some processors, 50 ns on others. */
function countSpins(loop: number, control: number): number {
  const look = callable(loop, 3)
  let fastest = Number.POSITIVE_INFINITY
  for (let round = 0; round < 5; round++) {
    const started = performance.now()
    // No phase has been published yet, so there is nothing but looks.
    look(control, control + hostState(0) * 8, NUM_LOOKS)
    fastest = Math.min(fastest, performance.now() - started)
  }
  return Math.ceil((SPIN_MS / fastest) * NUM_LOOKS)
}

/** Starts a worker that does not keep the process alive; it either ends one day, or fails. */
function startWorker(own: HostStart, onEnd: () => void, onFail: (reason: string) => void): Worker {
  const worker = new Worker(new URL("./hostWorker.ts", import.meta.url).href)
  worker.unref()
  let hasFailed = false
  worker.addEventListener("error", ({ message }) => {
    hasFailed = true
    const [reason] = /^error: .*/m.exec(message) ?? [message]
    onFail(reason)
  })
  worker.addEventListener("close", () => {
    if (!hasFailed) onEnd()
  })
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- that is for windows
  worker.postMessage(own)
  return worker
}
