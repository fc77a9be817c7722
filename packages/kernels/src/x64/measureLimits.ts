import { createArena } from "../createArena.ts"
import { createCodeSpace } from "./executableMemory.ts"
import { createHostPool, type HostPool } from "./HostPool.ts"
import type { Isa } from "./Isa.ts"
import { emitF32Loop, emitInt8Loop, emitReadMemory, LIMIT, type ProductLoop } from "./limitKernels.ts"

/** What a machine can do at best, one sample a round; all hosts together, and memory also by one. */
export interface Limits {
  readonly readBytesPerSec: readonly number[]
  readonly readBytesPerSecOfOne: readonly number[]
  /** Multiplications and additions of 8-bit products. */
  readonly int8OpsPerSec: readonly number[]
  readonly f32FlopsPerSec: readonly number[]
}

/** Larger than any cache that one machine's share of a processor is likely to keep. */
const BUFFER_BYTES = 2 ** 30
const PART_BYTES = 2 ** 22
const ROUNDS = 5
const TURNS = 200_000

/** Measures the limits; takes a GiB and about a second. */
export function measureLimits({ isa, numThreads }: { readonly isa: Isa; readonly numThreads: number }): Limits {
  const arena = createArena()
  const space = createCodeSpace()
  const [one, all] = [1, numThreads].map((hosts) => createHostPool(arena, space, hosts)) as [HostPool, HostPool]
  try {
    const buffer = arena.allocate(BUFFER_BYTES)
    // Memory that nobody has written is one page of zeros, again and again.
    arena.bytes(buffer).fill(1)
    const read = space.place(emitReadMemory(isa))
    const readAll = (hosts: HostPool): void => {
      for (let byte = 0; byte < BUFFER_BYTES; byte += PART_BYTES) {
        const at = hosts.add(read)
        hosts.records[at + LIMIT.from] = arena.address(buffer) + byte
        hosts.records[at + LIMIT.bytes] = PART_BYTES
      }
      hosts.run()
    }
    const opsPerSec = ({ code, opsPerTurn }: ProductLoop): number[] => {
      const address = space.place(code)
      return rates(opsPerTurn * TURNS * numThreads, () => {
        for (let host = 0; host < numThreads; host++) all.records[all.add(address) + LIMIT.turns] = TURNS
        all.run()
      })
    }
    return {
      readBytesPerSec: rates(BUFFER_BYTES, () => readAll(all)),
      readBytesPerSecOfOne: rates(BUFFER_BYTES, () => readAll(one)),
      int8OpsPerSec: opsPerSec(emitInt8Loop(isa)),
      f32FlopsPerSec: opsPerSec(emitF32Loop(isa)),
    }
  } finally {
    for (const hosts of [one, all]) hosts.close()
    space.close()
    arena.close()
  }
}

/** Runs some rounds after a warm-up; returns how much of `amount` each did in a second. */
function rates(amount: number, run: () => void): number[] {
  run()
  return Array.from({ length: ROUNDS }, () => {
    const started = performance.now()
    run()
    return (amount * 1000) / (performance.now() - started)
  })
}
