import type { Assembler } from "./Assembler.ts"
import { firstLanes } from "./firstLanes.ts"
import { at, type Gpr } from "./registers.ts"

/** How a head is rotated: what of a `RopeTable` the code depends on. */
export interface Rotation {
  readonly rotaryDim: number
  /** Pairs are (2i, 2i+1) rather than (i, i + rotaryDim/2). */
  readonly isInterleaved: boolean
}

const [A, B, COS, SIN, TURNED, SPARE] = [0, 1, 2, 3, 4, 5] as const
const VALUES = { opmask: 1, vector: 15 } as const
const PAIRS = { opmask: 2, vector: 14 } as const

/**
 * Emits the rotation of the first `rotaryDim` values of the head at `head`, in place, by the angles whose cosines and sines are at `cos` and `sin`.
 *
 * @see Su et al., RoFormer, arXiv:2104.09864 §3.4
 */
export function emitRotate(asm: Assembler, rotation: Rotation, head: Gpr, cos: Gpr, sin: Gpr): void {
  if (rotation.isInterleaved) emitInterleaved(asm, rotation.rotaryDim / 2, head, cos, sin)
  else emitHalves(asm, rotation.rotaryDim / 2, head, cos, sin)
}

function emitHalves(asm: Assembler, numPairs: number, head: Gpr, cos: Gpr, sin: Gpr): void {
  for (let pair = 0; pair < numPairs; pair += asm.lanes) {
    const lanes = firstLanes(asm, Math.min(asm.lanes, numPairs - pair), VALUES)
    const [first, second] = [at(head, pair * 4), at(head, (pair + numPairs) * 4)]
    lanes.load(A, first)
    lanes.load(B, second)
    lanes.load(COS, at(cos, pair * 4))
    lanes.load(SIN, at(sin, pair * 4))
    asm.vmulps(TURNED, A, COS)
    asm.vfnmadd231ps(TURNED, B, SIN)
    lanes.store(first, TURNED)
    asm.vmulps(TURNED, B, COS)
    asm.vfmadd231ps(TURNED, A, SIN)
    lanes.store(second, TURNED)
  }
}

/** (a, b) · cos + (b, a) · (-sin, sin), with each cosine and sine in both lanes of its pair. */
function emitInterleaved(asm: Assembler, numPairs: number, head: Gpr, cos: Gpr, sin: Gpr): void {
  const mostPairs = asm.lanes / 2
  const negative = asm.constant(Int32Array.from({ length: asm.lanes }, (_, lane) => (lane % 2 === 0 ? 1 << 31 : 0)))
  for (let pair = 0; pair < numPairs; pair += mostPairs) {
    const count = Math.min(mostPairs, numPairs - pair)
    const [values, pairs] = [firstLanes(asm, 2 * count, VALUES), firstLanes(asm, count, PAIRS)]
    const twice = (to: number, table: Gpr): void => {
      pairs.load(to, at(table, pair * 4))
      asm.vpmovzxdq(to, to)
      asm.vpermilps(to, to, 0xa0)
    }
    values.load(A, at(head, pair * 8))
    twice(COS, cos)
    twice(SIN, sin)
    asm.vpxor(SIN, SIN, negative)
    asm.vpermilps(SPARE, A, 0xb1)
    asm.vmulps(TURNED, A, COS)
    asm.vfmadd231ps(TURNED, SPARE, SIN)
    values.store(at(head, pair * 8), TURNED)
  }
}
