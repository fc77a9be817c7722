import type { Assembler } from "./Assembler.ts"
import { atIndex, type Gpr } from "./registers.ts"
import { loadTail, selectTail, storeTail, type Tail } from "./vectorMath.ts"

/** What a walk along rows of one width keeps between its steps; `offset` moves, the others stay. */
export interface RowWalk {
  /** Vectors that a step takes while there are as many: a power of 2. */
  readonly blockVectors: number
  /** Bytes from the row's start to the step's. */
  readonly offset: Gpr
  /** Bytes of all whole blocks, of all whole vectors, of the row. */
  readonly blocksEnd: Gpr
  readonly vectorsEnd: Gpr
  readonly rowEnd: Gpr
  readonly tail: Tail
}

/** One vector of a step: a whole one, or what is left at the row's end. */
export interface RowVector {
  /** Its number in the step, 0 and on: for a register of its own. */
  readonly index: number
  /** Loads it from the row that begins at `row`; lanes past the row's end are zero. */
  load(to: number, row: Gpr): void
  store(row: Gpr, from: number): void
}

/** Prepares walks along rows of as many f32 values as `rowEnd` says. */
export function prepareWalk(asm: Assembler, { blockVectors, blocksEnd, vectorsEnd, rowEnd, tail }: RowWalk): void {
  asm.mov(blocksEnd, rowEnd)
  asm.and(blocksEnd, asm.lanes - 1)
  selectTail(asm, blocksEnd, tail)
  asm.shl(rowEnd, 2)
  asm.mov(vectorsEnd, rowEnd)
  asm.and(vectorsEnd, -asm.vectorBytes)
  asm.mov(blocksEnd, rowEnd)
  asm.and(blocksEnd, -asm.vectorBytes * blockVectors)
}

/**
 * Emits `step` three times: for blocks of vectors, for single ones, for what is left of a row that is no whole number of vectors.
 *
 * A value's place in its step depends on its place in the row alone. Nothing past the row's end is touched.
 */
export function walkRow(asm: Assembler, walk: RowWalk, step: (vectors: readonly RowVector[]) => void): void {
  const { blockVectors, offset, blocksEnd, vectorsEnd, rowEnd, tail } = walk
  const whole = (index: number): RowVector => {
    const place = (row: Gpr) => atIndex(row, offset, 1, index * asm.vectorBytes)
    return {
      index,
      load: (to, row) => asm.vmovups(to, place(row)),
      store: (row, from) => asm.vstoreups(place(row), from),
    }
  }
  const rest: RowVector = {
    index: 0,
    load: (to, row) => loadTail(asm, to, atIndex(row, offset), tail),
    store: (row, from) => storeTail(asm, atIndex(row, offset), from, tail),
  }
  const end = asm.label()
  asm.mov(offset, 0)
  stepUntil(
    blocksEnd,
    Array.from({ length: blockVectors }, (_, index) => whole(index)),
  )
  stepUntil(vectorsEnd, [whole(0)])
  asm.cmp(offset, rowEnd)
  asm.jumpIf("aboveOrEqual", end)
  step([rest])
  asm.bind(end)

  function stepUntil(limit: Gpr, vectors: readonly RowVector[]): void {
    const [top, done] = [asm.label(), asm.label()]
    asm.cmp(offset, limit)
    asm.jumpIf("aboveOrEqual", done)
    asm.bind(top)
    step(vectors)
    asm.add(offset, vectors.length * asm.vectorBytes)
    asm.cmp(offset, limit)
    asm.jumpIf("below", top)
    asm.bind(done)
  }
}
