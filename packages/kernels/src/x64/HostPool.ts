import { ptr } from "bun:ffi"
import type { Arena, Span } from "../Arena.ts"
import { callable, type CodeSpace } from "./executableMemory.ts"
import { emitHostLoop, emitRunTask, emitRunTasks, emitSequence } from "./hostCode.ts"
import { CONTROL, controlBytes, hostState, STATE_SCRATCH } from "./hostControl.ts"
import { RECORD_BYTES, RECORD_CODE, RECORD_VALUES, SEQUENCE } from "./kernelAbi.ts"

/** Most tasks of a phase, and most records of their sequences; a fuller phase is run in parts. */
const MAX_TASKS = 4096
const MAX_STEPS = 16384
/** How often a host looks for work before it sleeps: some 40 µs, which spans the gaps inside a step. */
const NUM_SPINS = 1000

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
 * system has put aside is never waited for unless it has taken a task; one that is not up yet is simply not there.
 */
export interface HostPool {
  readonly numHosts: number
  /** All records, 16 values each; `add` and `addSequence` say where one begins. */
  readonly records: Float64Array
  /** Adds a task of this phase; returns the index of its record's first value. Runs what there is when the phase is full. */
  add(code: number): number
  /** Adds a task that runs `numSteps` records in order on one host; returns the index of the first, whose codes are the caller's to write. */
  addSequence(numSteps: number): number
  /** Runs the phase's tasks and waits for them. */
  run(): void
  /** Makes each host's scratch memory at least `bytes` large. Not between `add` and `run`. */
  reserveScratch(bytes: number): void
  /** Milliseconds that phases have taken so far. */
  readonly elapsedMs: number
  /** Stops the workers and frees the scratch. No phase may be running. */
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
  const workers = Array.from({ length: numHosts - 1 }, (_, i) =>
    startWorker({ control: memory, hostId: i + 1, loop, numSpins: NUM_SPINS }),
  )
  let scratch: Span[] = []
  let scratchBytes = 0
  let [numTasks, numSteps, epoch, elapsedMs] = [0, 0, 0, 0]

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
    if (Atomics.load(words, CONTROL.numAsleep) > 0) Atomics.notify(words, CONTROL.epoch)
  }

  const run = (): void => {
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
    if (numTasks === MAX_TASKS) run()
    const at = firstTask + numTasks++ * RECORD_VALUES
    records[at + RECORD_CODE] = code
    return at
  }

  const freeScratch = (): void => {
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
      if (numSteps + length > MAX_STEPS || numTasks === MAX_TASKS) run()
      const first = firstStep + numSteps * RECORD_VALUES
      const task = add(sequence)
      numSteps += length
      records[task + SEQUENCE.steps] = address + first * 8
      records[task + SEQUENCE.numSteps] = length
      return first
    },
    run,
    reserveScratch(wanted) {
      if (wanted <= scratchBytes) return
      freeScratch()
      scratchBytes = wanted
      for (let host = 0; host < numHosts; host++) {
        scratch.push(arena.allocate(wanted))
        records[hostState(host) + STATE_SCRATCH] = arena.address(scratch[host]!)
      }
    },
    close() {
      Atomics.store(words, CONTROL.isStopped, 1)
      numTasks = 0
      publish()
      Atomics.notify(words, CONTROL.epoch)
      for (const worker of workers) void worker.terminate()
      freeScratch()
      scratch = []
    },
  }
}

function startWorker(start: HostStart): Worker {
  const worker = new Worker(new URL("./hostWorker.ts", import.meta.url).href)
  worker.unref()
  worker.postMessage(start)
  return worker
}
