import { Assembler } from "./Assembler.ts"
import type { Isa } from "./Isa.ts"
import { addressArgument, emitKernel, loadArgument } from "./kernelAbi.ts"
import { atIndex, r8, r9, r10, r11, r12, r13, r14, r15, rax, rbp, rbx, rcx } from "./registers.ts"
import { prepareWalk, type RowWalk, walkRow } from "./walkRow.ts"

/**
 * Arguments of `emitCombine`: `out` and `outputs` are rows of `width` f32 values, one behind the other; `rows` int32 and `weights` f32
 * `[numTokens, topK]`, best first.
 */
export const COMBINE = { out: 1, outputs: 2, rows: 3, weights: 4, numTokens: 5, topK: 6, width: 7 } as const

/**
 * Emits: `out[t] = Σ_k weights[t, k] · outputs[rows[t, k]]`, ranks in order, each product and sum rounded once. A row of -1 is left out.
 *
 * A token's bits depend on its own rows alone.
 */
export function emitCombine({ vectorBytes }: Isa): Uint8Array {
  const asm = new Assembler(vectorBytes)
  const walk: RowWalk = {
    blockVectors: 8,
    offset: r8,
    blocksEnd: r9,
    vectorsEnd: r10,
    rowEnd: r11,
    tail: { opmask: 1, vector: 15 },
  }
  const [sum, value, weight] = [0, 8, 9]
  const [out, outputs, rows, weights, topK, rank, row] = [r12, r13, r14, r15, rbp, rcx, rax]
  emitKernel(asm, () => {
    addressArgument(asm, out, COMBINE.out)
    addressArgument(asm, outputs, COMBINE.outputs)
    addressArgument(asm, rows, COMBINE.rows)
    addressArgument(asm, weights, COMBINE.weights)
    loadArgument(asm, rbx, COMBINE.numTokens)
    loadArgument(asm, topK, COMBINE.topK)
    loadArgument(asm, r11, COMBINE.width)
    prepareWalk(asm, walk)
    asm.times(rbx, () => {
      walkRow(asm, walk, (vectors) => {
        for (const { index } of vectors) asm.vpxor(sum + index, sum + index, sum + index)
        forEachRank(() => {
          for (const { index, load } of vectors) {
            load(value, row)
            asm.vfmadd231ps(sum + index, value, weight)
          }
        })
        for (const { index, store } of vectors) store(out, sum + index)
      })
      asm.add(out, walk.rowEnd)
      asm.lea(rows, atIndex(rows, topK, 4))
      asm.lea(weights, atIndex(weights, topK, 4))
    })
  })
  return asm.finish()

  /** Emits `body` for each of the token's rows, with its address in `row` and its weight in every lane. */
  function forEachRank(body: () => void): void {
    const [top, next, end] = [asm.label(), asm.label(), asm.label()]
    asm.mov(rank, 0)
    asm.bind(top)
    asm.cmp(rank, topK)
    asm.jumpIf("aboveOrEqual", end)
    asm.movsxd(row, atIndex(rows, rank, 4))
    asm.test(row, row)
    asm.jumpIf("less", next)
    asm.imul(row, walk.rowEnd)
    asm.add(row, outputs)
    asm.vbroadcastss(weight, atIndex(weights, rank, 4))
    body()
    asm.bind(next)
    asm.add(rank, 1)
    asm.jump(top)
    asm.bind(end)
  }
}
