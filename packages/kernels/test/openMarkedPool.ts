/** A pool of hosts whose tasks leave marks: who did what, how often and in which order. */
import type { Arena } from "../src/Arena.ts"
import { Assembler } from "../src/x64/Assembler.ts"
import type { CodeSpace } from "../src/x64/executableMemory.ts"
import { createHostPool } from "../src/x64/HostPool.ts"
import { emitKernel, loadArgument } from "../src/x64/kernelAbi.ts"
import { at, rax, rbx, rcx, rsi } from "../src/x64/registers.ts"

/** Most tasks that a test looks at in one phase. */
export const MAX_MARKS = 40_000

/**
 * Code of a task that leaves a mark: works for `turns`, makes the 64 bits at `mark` three times themselves plus `digit`, and writes its host's scratch
 * address behind them.
 */
export const MARK = { mark: 1, digit: 2, turns: 3 } as const

export function emitMark(): Uint8Array {
  const asm = new Assembler(32)
  emitKernel(asm, () => {
    loadArgument(asm, rcx, MARK.turns)
    asm.times(rcx, () => asm.imul(rax, rax))
    loadArgument(asm, rbx, MARK.mark)
    loadArgument(asm, rcx, MARK.digit)
    asm.load(rax, at(rbx))
    asm.imul(rax, 3)
    asm.add(rax, rcx)
    asm.store(at(rbx), rax)
    asm.store(at(rbx, 8), rsi)
  })
  return asm.finish()
}

/** A pool, and marks for its tasks to leave. */
export function openMarkedPool(arena: Arena, space: CodeSpace, numHosts: number) {
  const pool = createHostPool(arena, space, numHosts)
  pool.reserveScratch(64)
  const span = arena.allocate(MAX_MARKS * 16)
  const bytes = arena.bytes(span)
  const words = new BigUint64Array(bytes.buffer, bytes.byteOffset, MAX_MARKS * 2)
  const code = space.place(emitMark())
  const write = (at: number, mark: number, digit: number, turns: number): void => {
    pool.records[at] = code
    pool.records[at + MARK.mark] = arena.address(span) + mark * 16
    pool.records[at + MARK.digit] = digit
    pool.records[at + MARK.turns] = turns
  }
  return {
    pool,
    /** Writes the record of a mark at `at`. */
    write,
    /** Adds a task that leaves mark `mark`. */
    add: (mark: number, turns = 0) => write(pool.add(code), mark, 1, turns),
    /** Adds a sequence whose steps are the digits of its mark. */
    addSequence(mark: number, digits: readonly number[]) {
      let step = pool.addSequence(digits.length)
      for (const digit of digits) {
        write(step, mark, digit, 0)
        step += 16
      }
    },
    /** Runs the phase; returns the first `count` marks, and clears them. */
    run(count: number): number[] {
      pool.run()
      const marks = Array.from({ length: count }, (_, mark) => Number(words[2 * mark]))
      for (let mark = 0; mark < count; mark++) words[2 * mark] = 0n
      return marks
    },
    hostOf: (mark: number) => words[2 * mark + 1]!,
  }
}

/** Runs phases until every host has taken a task. */
export async function untilAllTakePart({ pool, add, run, hostOf }: ReturnType<typeof openMarkedPool>): Promise<void> {
  const hosts = new Set<bigint>()
  while (hosts.size < pool.numHosts) {
    for (let mark = 0; mark < 64; mark++) add(mark, 20_000)
    run(64)
    for (let mark = 0; mark < 64; mark++) hosts.add(hostOf(mark))
    await Bun.sleep(1)
  }
}
