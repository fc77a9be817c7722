import type { Assembler } from "./Assembler.ts"
import { at, atIndex, type Gpr, r12, r13, r14, r15, rbp, rbx, rdi, rsi } from "./registers.ts"

/** f64 values of a task record: the code's address, then up to 15 arguments. */
export const RECORD_VALUES = 16
export const RECORD_BYTES = RECORD_VALUES * 8

/** Place of the code's address in a record. */
export const RECORD_CODE = 0
/** Arguments of a task that runs `numSteps` records from `steps` on. */
export const SEQUENCE = { steps: 1, numSteps: 2 } as const

/** Registers that code must hand back as it found them. */
const KEPT = [rbx, rbp, r12, r13, r14, r15] as const

/**
 * Emits a kernel's frame around `body`: code that a task runs, with rdi = its record and rsi = this host's scratch memory.
 *
 * All registers are free inside; upper halves of vectors are cleared at the end, so that what runs next pays no transition.
 */
export function emitKernel(asm: Assembler, body: () => void): void {
  asm.push(...KEPT)
  body()
  asm.pop(...KEPT)
  asm.vzeroupper()
  asm.ret()
}

/** Loads argument `index` (1..15) of the record in `record` as an integer: an address, a count or a number of bytes. */
export function loadArgument(asm: Assembler, to: Gpr, index: number, record: Gpr = rdi): void {
  asm.cvttsd2si(to, at(record, index * 8))
}

/**
 * Loads argument `index` as an address. Negative ones lie in this host's scratch memory, -1 at its start: whoever writes the record does not know who runs it.
 *
 * @see scratchAddress
 */
export function addressArgument(asm: Assembler, to: Gpr, index: number, record: Gpr = rdi): void {
  const isAbsolute = asm.label()
  loadArgument(asm, to, index, record)
  asm.test(to, to)
  asm.jumpIf("greaterOrEqual", isAbsolute)
  asm.neg(to)
  asm.lea(to, atIndex(rsi, to, 1, -1))
  asm.bind(isAbsolute)
}

/** Returns what a record says for byte `offset` of the scratch memory of whichever host runs it. */
export function scratchAddress(offset: number): number {
  return -1 - offset
}

/** Broadcasts argument `index` of the record in `record` as f32. */
export function broadcastArgument(asm: Assembler, to: number, index: number, record: Gpr = rdi): void {
  asm.vcvtsd2ss(to, at(record, index * 8))
  asm.vbroadcastss(to, to)
}
