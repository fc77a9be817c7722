import { Assembler } from "./Assembler.ts"
import type { Isa } from "./Isa.ts"
import { addressArgument, emitKernel, loadArgument } from "./kernelAbi.ts"
import { at, atIndex, r8, r9, r10, r11, r12, r13, r14, r15, rax, rbx, rcx } from "./registers.ts"

/** Arguments of `emitGatherRows`: `rows` points to the rows' numbers (int32); `rowBytes` is a multiple of 4. Rows of `out` are `xStride` apart too. */
export const GATHER_ROWS = { x: 1, xStride: 2, rows: 3, numRows: 4, out: 5, rowBytes: 6 } as const

/** Emits: copies of the rows that a list names, one behind the other. */
export function emitGatherRows(isa: Isa): Uint8Array {
  const asm = new Assembler(isa.vectorBytes)
  const { vectorBytes } = asm
  emitKernel(asm, () => {
    addressArgument(asm, r12, GATHER_ROWS.x)
    loadArgument(asm, r13, GATHER_ROWS.xStride)
    addressArgument(asm, r14, GATHER_ROWS.rows)
    addressArgument(asm, r15, GATHER_ROWS.out)
    loadArgument(asm, rbx, GATHER_ROWS.numRows)
    loadArgument(asm, r10, GATHER_ROWS.rowBytes)
    asm.mov(r11, r10)
    asm.and(r11, vectorBytes - 1)
    asm.shr(r10, Math.log2(vectorBytes))
    asm.times(rbx, () => {
      asm.movsxd(r8, at(r14))
      asm.imul(r8, r13)
      asm.add(r8, r12)
      asm.mov(r9, r15)
      asm.mov(rcx, r10)
      asm.times(rcx, () => {
        asm.vmovups(0, at(r8))
        asm.vstoreups(at(r9), 0)
        asm.add(r8, vectorBytes)
        asm.add(r9, vectorBytes)
      })
      // What is left of a row that is no whole number of vectors, four bytes at a time.
      asm.mov(rcx, r11)
      asm.shr(rcx, 2)
      asm.times(rcx, () => {
        asm.load32(rax, atIndex(r8, rcx, 4, -4))
        asm.store32(atIndex(r9, rcx, 4, -4), rax)
      })
      asm.add(r14, 4)
      asm.add(r15, r13)
    })
  })
  return asm.finish()
}
