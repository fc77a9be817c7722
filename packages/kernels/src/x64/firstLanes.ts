import type { Assembler } from "./Assembler.ts"
import type { Mem } from "./registers.ts"
import { loadTail, storeTail, type Tail } from "./vectorMath.ts"

/** Loads and stores of a vector's first lanes, as many as were asked for; loads clear the others, and no memory beyond them is touched. */
export interface FirstLanes {
  load(to: number, from: Mem): void
  store(to: Mem, from: number): void
}

/**
 * Selects the first `count` lanes, known as the code is written; plain moves where that is all of them.
 *
 * The selection is emitted here and holds as long as the registers of `tail` do (the vector on AVX2, the opmask on AVX-512).
 */
export function firstLanes(asm: Assembler, count: number, tail: Tail): FirstLanes {
  if (count === asm.lanes)
    return { load: (to, from) => asm.vmovups(to, from), store: (to, from) => asm.vstoreups(to, from) }
  const { opmask, vector } = tail
  // Lane i is -1 where it is selected, 0 elsewhere.
  const selection = asm.constant(Int32Array.from({ length: asm.lanes }, (_, lane) => (lane < count ? -1 : 0)))
  if (asm.vectorBytes === 64) {
    asm.vpxor(vector, vector, vector)
    asm.vpcmpgtd(opmask, vector, selection)
  } else asm.vmovups(vector, selection)
  return {
    load: (to, from) => loadTail(asm, to, from, tail),
    store: (to, from) => storeTail(asm, to, from, tail),
  }
}
