/** The hosts' own machine code: taking tasks, waiting for them, and running sequences. */
import { Assembler } from "./Assembler.ts"
import { CONTROL, STATE_SCRATCH, STATE_SEEN } from "./hostControl.ts"
import { emitKernel, loadArgument, RECORD_BYTES, RECORD_CODE, SEQUENCE } from "./kernelAbi.ts"
import { at, r12, r13, r14, r15, rax, rbp, rbx, rcx, rdi, rdx, rsi } from "./registers.ts"

const word = (index: number): number => index * 4
const value = (index: number): number => index * 8

/**
 * Emits `(control, state)`: takes tasks of the present phase until none is left, then waits until those that others took have ended.
 *
 * The waiting spins: a task that was taken is being run.
 */
export function emitRunTasks(): Uint8Array {
  const asm = new Assembler(32)
  emitKernel(asm, () => {
    asm.mov(rbx, rdi)
    asm.mov(r12, rsi)
    asm.load32(r15, at(rbx, word(CONTROL.epoch)))
    emitTakeTasks(asm)
    const [wait, end] = [asm.label(), asm.label()]
    asm.bind(wait)
    asm.load(rax, at(rbx, word(CONTROL.done)))
    asm.cmp(rax, r13)
    asm.jumpIf("aboveOrEqual", end)
    asm.pause()
    asm.jump(wait)
    asm.bind(end)
  })
  return asm.finish()
}

/** Emits `(record, scratch)`: runs one task here, for a phase that has no other. */
export function emitRunTask(): Uint8Array {
  const asm = new Assembler(32)
  emitKernel(asm, () => {
    loadArgument(asm, rax, RECORD_CODE)
    asm.call(rax)
  })
  return asm.finish()
}

/**
 * Emits `(control, state, numSpins)`: a worker's loop. Runs each phase that is published; returns when none has been for `numSpins` looks, or when stopped.
 *
 * The state keeps the last epoch seen, so that nothing is missed between two calls.
 */
export function emitHostLoop(): Uint8Array {
  const asm = new Assembler(32)
  emitKernel(asm, () => {
    asm.mov(rbx, rdi)
    asm.mov(r12, rsi)
    asm.mov(r14, rdx)
    const [next, spin, found, end] = [asm.label(), asm.label(), asm.label(), asm.label()]
    asm.bind(next)
    asm.mov(rcx, r14)
    asm.load32(rdx, at(r12, value(STATE_SEEN)))
    asm.bind(spin)
    asm.load32(rax, at(rbx, word(CONTROL.epoch)))
    asm.cmp(rax, rdx)
    asm.jumpIf("notEqual", found)
    asm.pause()
    asm.sub(rcx, 1)
    asm.jumpIf("notEqual", spin)
    asm.jump(end)
    asm.bind(found)
    asm.store32(at(r12, value(STATE_SEEN)), rax)
    asm.mov(r15, rax)
    asm.load32(rax, at(rbx, word(CONTROL.isStopped)))
    asm.test(rax, rax)
    asm.jumpIf("notEqual", end)
    emitTakeTasks(asm)
    asm.jump(next)
    asm.bind(end)
  })
  return asm.finish()
}

/**
 * Emits: runs tasks of epoch r15 until none is left. rbx = control, r12 = state; leaves the number of the phase's tasks in r13. Changes rbp.
 *
 * A task is taken by exchanging the counter, which carries the epoch: a host that was put aside between reading the list and taking a task, and comes
 * back in a later phase, fails to take one.
 */
function emitTakeTasks(asm: Assembler): void {
  const [take, end] = [asm.label(), asm.label()]
  loadArgument(asm, rbp, CONTROL.list, rbx)
  loadArgument(asm, r13, CONTROL.numTasks, rbx)
  asm.bind(take)
  asm.load(rax, at(rbx, word(CONTROL.taken)))
  asm.mov(rdx, rax)
  asm.shr(rdx, 32)
  asm.cmp(rdx, r15)
  asm.jumpIf("notEqual", end)
  asm.mov32(rcx, rax)
  asm.cmp(rcx, r13)
  asm.jumpIf("aboveOrEqual", end)
  asm.mov(rdx, rax)
  asm.add(rdx, 1)
  asm.lockCmpxchg(at(rbx, word(CONTROL.taken)), rdx)
  asm.jumpIf("notEqual", take)
  asm.imul(rcx, RECORD_BYTES)
  asm.mov(rdi, rbp)
  asm.add(rdi, rcx)
  loadArgument(asm, rsi, STATE_SCRATCH, r12)
  loadArgument(asm, rax, RECORD_CODE)
  asm.call(rax)
  asm.lockInc(at(rbx, word(CONTROL.done)))
  asm.jump(take)
  asm.bind(end)
}

/** Emits a task that runs records one after another on the same host; its arguments are `SEQUENCE`. */
export function emitSequence(): Uint8Array {
  const asm = new Assembler(32)
  emitKernel(asm, () => {
    loadArgument(asm, rbx, SEQUENCE.steps)
    loadArgument(asm, r12, SEQUENCE.numSteps)
    asm.mov(r13, rsi)
    asm.times(r12, () => {
      asm.mov(rdi, rbx)
      asm.mov(rsi, r13)
      loadArgument(asm, rax, RECORD_CODE)
      asm.call(rax)
      asm.add(rbx, RECORD_BYTES)
    })
  })
  return asm.finish()
}
