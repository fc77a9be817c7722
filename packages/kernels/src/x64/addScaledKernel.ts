import { Assembler } from "./Assembler.ts"
import type { Isa } from "./Isa.ts"
import { addressArgument, emitKernel, loadArgument } from "./kernelAbi.ts"
import { at, r8, r9, r10, r11, r12, r13, r14, rbx } from "./registers.ts"
import { prepareWalk, type RowWalk, walkRow } from "./walkRow.ts"

/**
 * Arguments of `emitAddScaled`: rows of `width` f32 values, one behind the other; factors f32 `[numRows]`, 0 where all are 1.
 *
 * Without factors any run of values is one row.
 */
export const ADD_SCALED = { out: 1, x: 2, factors: 3, numRows: 4, width: 5 } as const

/** Emits: `out[t] += factors[t] · x[t]`, rounded once. */
export function emitAddScaled({ vectorBytes }: Isa): Uint8Array {
  const asm = new Assembler(vectorBytes)
  const walk: RowWalk = {
    blockVectors: 4,
    offset: r8,
    blocksEnd: r9,
    vectorsEnd: r10,
    rowEnd: r11,
    tail: { opmask: 1, vector: 15 },
  }
  const [sum, value, factor] = [0, 4, 8]
  emitKernel(asm, () => {
    addressArgument(asm, r12, ADD_SCALED.out)
    addressArgument(asm, r13, ADD_SCALED.x)
    addressArgument(asm, r14, ADD_SCALED.factors)
    loadArgument(asm, rbx, ADD_SCALED.numRows)
    loadArgument(asm, r11, ADD_SCALED.width)
    prepareWalk(asm, walk)
    asm.vbroadcastss(factor, asm.f32(1))
    asm.times(rbx, () => {
      emitNextFactor()
      walkRow(asm, walk, (vectors) => {
        for (const { index, load } of vectors) {
          load(sum + index, r12)
          load(value + index, r13)
        }
        for (const { index, store } of vectors) {
          asm.vfmadd231ps(sum + index, value + index, factor)
          store(r12, sum + index)
        }
      })
      asm.add(r12, walk.rowEnd)
      asm.add(r13, walk.rowEnd)
    })
  })
  return asm.finish()

  function emitNextFactor(): void {
    const isOne = asm.label()
    asm.test(r14, r14)
    asm.jumpIf("equal", isOne)
    asm.vbroadcastss(factor, at(r14))
    asm.add(r14, 4)
    asm.bind(isOne)
  }
}
