import type { Assembler } from "./Assembler.ts"
import {
  BLOCK_LINES,
  BLOCK_PARAMETER_BYTES,
  emitBlockParameters,
  emitExpandLine,
  emitNibbleMask,
  LINE_COLUMNS,
} from "./expandInt4.ts"
import { addressArgument, loadArgument } from "./kernelAbi.ts"
import { PRODUCT } from "./productArguments.ts"
import { LINE_BYTES } from "./ProductTile.ts"
import { PREFETCH_BYTES, STEP_COLUMNS } from "./productSums.ts"
import { at, atIndex, r8, r9, r10, r11, r12, rax, rcx } from "./registers.ts"

/**
 * Emits: a pair of groups of 4-bit weights at r12 → 8 bits `[K / 4][16][4]`, one group behind the other, in the record's `expanded`, `offset` bytes in.
 *
 * Done once for all rows of a task. Changes rax, rcx, r8 to r11.
 */
export function emitExpandPair(asm: Assembler, offset: number): void {
  const [low, high, nibbles] = [0, 1, 2]
  const parameters = { multiplier: 3, offset: 4 }
  const halves = Array.from({ length: 64 / asm.vectorBytes }, (_, half) => half)
  emitNibbleMask(asm, nibbles)
  addressArgument(asm, r8, PRODUCT.expanded)
  asm.add(r8, offset)
  asm.mov(r11, r12)
  asm.mov(rcx, 2)
  asm.times(rcx, () => {
    loadArgument(asm, rax, PRODUCT.numColumns)
    asm.lea(r10, atIndex(r11, rax, 8))
    asm.mov(r9, r11)
    asm.shr(rax, Math.log2(STEP_COLUMNS))
    asm.times(rax, () => {
      for (const block of [0, 1] as const) {
        for (const half of halves) {
          emitBlockParameters(asm, parameters, { parameters: r10, group: undefined, block, half })
          for (let l = 0; l < BLOCK_LINES; l++) {
            const line = block * BLOCK_LINES + l
            if (half === 0) asm.prefetcht0(at(r9, line * LINE_BYTES + PREFETCH_BYTES))
            asm.vmovups(low, at(r9, line * LINE_BYTES + half * 32))
            emitExpandLine(asm, low, high, nibbles, parameters)
            asm.vstoreups(at(r8, line * 2 * LINE_BYTES + half * 32), low)
            asm.vstoreups(at(r8, (line * 2 + 1) * LINE_BYTES + half * 32), high)
          }
        }
      }
      asm.add(r9, (STEP_COLUMNS / LINE_COLUMNS) * LINE_BYTES)
      asm.add(r8, (STEP_COLUMNS / 4) * LINE_BYTES)
      asm.add(r10, BLOCK_PARAMETER_BYTES)
    })
    loadArgument(asm, rax, PRODUCT.groupBytes)
    asm.add(r11, rax)
  })
}
