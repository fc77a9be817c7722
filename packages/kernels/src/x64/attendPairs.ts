/** Values of a cache in pairs, on their way into the weighted sums: widened as they are used, or a block at once. */
import type { Assembler } from "./Assembler.ts"
import { type AttendTile, BLOCK_KEYS } from "./attendTile.ts"
import { upperHalves } from "./pairs.ts"
import { at, r8, r11, rax, rbp, rcx, rsi } from "./registers.ts"
import type { SumTile } from "./SumTile.ts"

/** Emits the widening of a block of values in pairs at rbp, and moves rbp to where they are f32 then. Changes rax, rcx and r8. */
export function emitWidenBlock(asm: Assembler, { headDim, widened }: AttendTile): void {
  const [low, high] = [0, 1]
  asm.mov(rax, rbp)
  asm.lea(rbp, at(rsi, widened))
  asm.mov(r8, rbp)
  asm.mov(rcx, (BLOCK_KEYS * headDim) / (2 * asm.lanes))
  asm.times(rcx, () => {
    asm.vmovups(high, at(rax))
    asm.vpslld(low, high, 16)
    asm.vpand(high, high, upperHalves(asm))
    asm.vstoreups(at(r8), low)
    asm.vstoreups(at(r8, asm.vectorBytes), high)
    asm.add(rax, asm.vectorBytes)
    asm.add(r8, 2 * asm.vectorBytes)
  })
}

/** One step of vectors in pairs: each word vector widens to two, by a shift and a mask. */
export function emitPairStep(
  asm: Assembler,
  { numQueries, numVectors, stride, firstVector, factors }: SumTile,
  step: number,
  rowBytes: number,
  disp: number,
): void {
  const widen = (pair: number, low: number, high: number): void => {
    asm.vmovups(high, at(r11, step * rowBytes + pair * asm.vectorBytes))
    asm.vpslld(low, high, 16)
    asm.vpand(high, high, upperHalves(asm))
  }
  const broadcast = (query: number): number => {
    const factor = factors[query % factors.length]!
    asm.vbroadcastss(factor, at(r8, disp + query * stride + step * 4))
    return factor
  }
  if (numQueries === 1) {
    const factor = broadcast(0)
    for (let pair = 0; pair < numVectors / 2; pair++) {
      widen(pair, firstVector, firstVector + 1)
      for (const half of [0, 1]) asm.vfmadd231ps(2 * pair + half, factor, firstVector + half)
    }
    return
  }
  for (let pair = 0; pair < numVectors / 2; pair++) widen(pair, firstVector + 2 * pair, firstVector + 2 * pair + 1)
  for (let query = 0; query < numQueries; query++) {
    const factor = broadcast(query)
    for (let vector = 0; vector < numVectors; vector++)
      asm.vfmadd231ps(query * numVectors + vector, factor, firstVector + vector)
  }
}
