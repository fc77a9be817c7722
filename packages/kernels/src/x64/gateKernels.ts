/**
 * Gates: counters through which tasks of one phase wait for others of it. A task may only wait for tasks that were added before it: they are taken before it,
 * so whoever waits, waits for work that a host is doing.
 */
import { Assembler } from "./Assembler.ts"
import { addressArgument, emitKernel, loadArgument } from "./kernelAbi.ts"
import { LINE_BYTES } from "./ProductTile.ts"
import { at, r8, r9, r10, r11, rax } from "./registers.ts"

/** A gate's 64-bit counter stands on a cache line of its own. */
export const GATE_BYTES = LINE_BYTES

/** Arguments of both. `count`: how often the gate must have been passed; `from`, `bytes`: memory that is asked for meanwhile. */
export const GATE = { gate: 1, count: 2, from: 3, bytes: 4 } as const

/** Lines asked for between two looks at a gate. */
const LINES_PER_LOOK = 4

/** Emits: counts this task as one that has passed. */
export function emitPassGate(): Uint8Array {
  const asm = new Assembler(32)
  emitKernel(asm, () => {
    addressArgument(asm, r8, GATE.gate)
    asm.lockInc(at(r8))
  })
  return asm.finish()
}

/** Emits: waits until the gate has been passed `count` times, and meanwhile asks for memory that the task will read. */
export function emitAwaitGate(): Uint8Array {
  const asm = new Assembler(32)
  emitKernel(asm, () => {
    const [look, idle, end] = [asm.label(), asm.label(), asm.label()]
    addressArgument(asm, r8, GATE.gate)
    loadArgument(asm, r9, GATE.count)
    addressArgument(asm, r10, GATE.from)
    loadArgument(asm, r11, GATE.bytes)
    asm.bind(look)
    asm.load(rax, at(r8))
    asm.cmp(rax, r9)
    asm.jumpIf("aboveOrEqual", end)
    asm.cmp(r11, LINES_PER_LOOK * LINE_BYTES)
    asm.jumpIf("less", idle)
    for (let line = 0; line < LINES_PER_LOOK; line++) asm.prefetcht1(at(r10, line * LINE_BYTES))
    asm.add(r10, LINES_PER_LOOK * LINE_BYTES)
    asm.sub(r11, LINES_PER_LOOK * LINE_BYTES)
    asm.jump(look)
    asm.bind(idle)
    asm.pause()
    asm.jump(look)
    asm.bind(end)
  })
  return asm.finish()
}
