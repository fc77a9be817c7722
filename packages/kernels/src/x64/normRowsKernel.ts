import { Assembler } from "./Assembler.ts"
import type { Isa } from "./Isa.ts"
import { addressArgument, broadcastArgument, emitKernel, loadArgument } from "./kernelAbi.ts"
import { r8, r9, r10, r11, r12, r13, r14, rbx } from "./registers.ts"
import { reduceLanes } from "./vectorMath.ts"
import { prepareWalk, type RowWalk, walkRow } from "./walkRow.ts"

/** Arguments of `emitNormRows`: rows of `width` f32 values, one behind the other; `out` may be `x`. */
export const NORM_ROWS = { x: 1, out: 2, weight: 3, numRows: 4, width: 5, epsilon: 6 } as const

/**
 * Emits: `out[t] = x[t] / √(mean(x[t]²) + epsilon) · weight`.
 *
 * Squares are summed in f32, in one order for each width.
 */
export function emitNormRows({ vectorBytes }: Isa): Uint8Array {
  const asm = new Assembler(vectorBytes)
  const walk: RowWalk = {
    blockVectors: 4,
    offset: r8,
    blocksEnd: r9,
    vectorsEnd: r10,
    rowEnd: r11,
    tail: { opmask: 1, vector: 15 },
  }
  // Each vector of a block has a register of its own in these rows of four.
  const [sum, value, weight] = [0, 4, 8]
  const [factor, width, epsilon, spare] = [12, 13, 14, 4]
  emitKernel(asm, () => {
    addressArgument(asm, r12, NORM_ROWS.x)
    addressArgument(asm, r13, NORM_ROWS.out)
    addressArgument(asm, r14, NORM_ROWS.weight)
    loadArgument(asm, rbx, NORM_ROWS.numRows)
    loadArgument(asm, r11, NORM_ROWS.width)
    broadcastArgument(asm, width, NORM_ROWS.width)
    broadcastArgument(asm, epsilon, NORM_ROWS.epsilon)
    prepareWalk(asm, walk)
    asm.times(rbx, () => {
      for (let i = 0; i < walk.blockVectors; i++) asm.vpxor(sum + i, sum + i, sum + i)
      walkRow(asm, walk, (vectors) => {
        for (const { index, load } of vectors) {
          load(value + index, r12)
          asm.vfmadd231ps(sum + index, value + index, value + index)
        }
      })
      emitFactor()
      walkRow(asm, walk, (vectors) => {
        for (const { index, load } of vectors) {
          load(value + index, r12)
          load(weight + index, r14)
          asm.vmulps(value + index, value + index, factor)
        }
        for (const { index, store } of vectors) {
          asm.vmulps(value + index, value + index, weight + index)
          store(r13, value + index)
        }
      })
      asm.add(r12, walk.rowEnd)
      asm.add(r13, walk.rowEnd)
    })
  })
  return asm.finish()

  /** Sets `factor` to 1 / √(sum / width + epsilon). */
  function emitFactor(): void {
    asm.vaddps(sum, sum, sum + 1)
    asm.vaddps(sum + 2, sum + 2, sum + 3)
    asm.vaddps(sum, sum, sum + 2)
    reduceLanes(asm, "vaddps", sum, spare)
    asm.vdivps(sum, sum, width)
    asm.vaddps(sum, sum, epsilon)
    asm.vsqrtps(sum, sum)
    asm.vbroadcastss(factor, asm.f32(1))
    asm.vdivps(factor, factor, sum)
  }
}
