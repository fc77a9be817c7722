import { callable, createCodeSpace } from "../src/x64/executableMemory.ts"
import { RECORD_VALUES } from "../src/x64/kernelAbi.ts"
import { type GuardedMemory, openGuardedMemory } from "./guardedMemory.ts"

/** Runs kernels in tests, on guarded memory and without a pool of hosts. */
export interface KernelRunner extends Pick<GuardedMemory, "place" | "close"> {
  /**
   * Places code and returns a function that runs it with named arguments.
   *
   * @param places where in the task record (1..15) the code looks for each
   */
  load<Name extends string>(
    code: Uint8Array,
    places: Readonly<Record<Name, number>>,
  ): (task: Readonly<Record<Name, number>>) => void
}

/**
 * Opens a runner.
 *
 * @param scratchBytes the kernels' scratch memory, in rsi
 */
export function openKernelRunner(scratchBytes: number): KernelRunner {
  const space = createCodeSpace()
  const memory = openGuardedMemory()
  const record = memory.place(new Float64Array(RECORD_VALUES))
  const scratch = memory.place(new Uint8Array(scratchBytes))
  return {
    place: memory.place,
    load(code, places) {
      const run = callable(space.place(code), 2)
      return (task) => {
        record.values.fill(Number.NaN)
        for (const name in places) record.values[places[name]] = task[name]
        run(record.address, scratch.address)
      }
    },
    close() {
      space.close()
      memory.close()
    },
  }
}
