/** The two products of attention: queries with keys give scores, exponentials with values give sums. Each sum has one accumulator and one order. */
import type { Assembler } from "./Assembler.ts"
import { AHEAD_SHARE, emitAhead, emitLoadAhead, linesBeside } from "./attendAhead.ts"
import { emitPairStep } from "./attendPairs.ts"
import { type AttendTile, BLOCK_KEYS } from "./attendTile.ts"
import { firstLanes } from "./firstLanes.ts"
import type { RegisterOrMem } from "./encodeInstruction.ts"
import { at, atIndex, type Gpr, type Mem, r8, r9, r10, r11, rax, rbp, rcx, rsi } from "./registers.ts"
import type { SumTile } from "./SumTile.ts"

/** How many queries are multiplied at once with how many vectors, largest first: as many sums as there are registers for, and enough to hide latency. */
const TILES = {
  64: [
    { numQueries: 6, numVectors: 4 },
    { numQueries: 4, numVectors: 4 },
    { numQueries: 2, numVectors: 4 },
    { numQueries: 1, numVectors: 8 },
  ],
  32: [
    { numQueries: 6, numVectors: 2 },
    { numQueries: 4, numVectors: 2 },
    { numQueries: 2, numVectors: 4 },
    { numQueries: 1, numVectors: 8 },
  ],
} as const

/** Steps of a sum that a turn of its loop takes. */
const UNROLL = 4

/** Describes a tile, and selects the lanes of its last vector. */
function openTile(
  asm: Assembler,
  {
    numQueries,
    numVectors,
    stride,
    lastLanes,
    isPaired = false,
  }: Readonly<Record<"numQueries" | "numVectors" | "stride" | "lastLanes", number>> & { readonly isPaired?: boolean },
): SumTile {
  const firstVector = numQueries * numVectors
  const numRegisters = numQueries > 1 ? numVectors : isPaired ? 2 : 1
  const spare = firstVector + numRegisters
  const isWhole = lastLanes === asm.lanes
  return {
    numQueries,
    numVectors,
    stride,
    isPaired,
    last: isWhole ? undefined : firstLanes(asm, lastLanes, { opmask: 1, vector: spare }),
    firstVector,
    factors: isWhole ? [spare, spare + 1] : [spare + 1],
  }
}

/**
 * Emits scores of the queries from `cursor` (rdx) up to `end` with the turned keys of a block: `scores[key] = Σ_d query[d] · keys[d][key]`, d in order.
 */
export function emitScores(asm: Assembler, tile: AttendTile, cursor: Gpr, end: Gpr): void {
  const { headDim, queryBytes, scores, keys } = tile
  emitLoadAhead(asm, tile, rbp)
  eachTile(asm, tile, cursor, end, (numQueries, most) => {
    const numVectors = Math.min(most, BLOCK_KEYS / asm.lanes)
    const product = openTile(asm, { numQueries, numVectors, stride: queryBytes, lastLanes: asm.lanes })
    asm.lea(r9, at(rsi, keys))
    asm.lea(r10, at(cursor, scores))
    asm.mov(rcx, BLOCK_KEYS / asm.lanes / numVectors)
    asm.times(rcx, () => {
      eachSum(product, (sum) => asm.vpxor(sum, sum, sum))
      asm.mov(r8, cursor)
      asm.mov(r11, r9)
      asm.mov(rax, Math.floor(headDim / UNROLL))
      asm.times(rax, () => {
        emitAhead(asm, tile, rbp, linesBeside(asm, tile, product, UNROLL, AHEAD_SHARE.scores))
        emitSteps(asm, product, UNROLL, BLOCK_KEYS * 4, 0)
      })
      emitSteps(asm, product, headDim % UNROLL, BLOCK_KEYS * 4, 0)
      eachSum(product, (sum, query, vector) =>
        asm.vstoreups(at(r10, query * queryBytes + vector * asm.vectorBytes), sum),
      )
      asm.add(r9, numVectors * asm.vectorBytes)
      asm.add(r10, numVectors * asm.vectorBytes)
    })
  })
}

/**
 * Emits `sums[d] += Σ_key exponential[key] · value[key][d]`, keys in order, over a whole block, for the queries from `cursor` up to `end`.
 *
 * rbp = the block's first value, as pairs or as f32.
 */
export function emitBlockSums(asm: Assembler, tile: AttendTile, cursor: Gpr, end: Gpr, isPaired: boolean): void {
  const rowBytes = isPaired ? tile.rowBytes : tile.headDim * 4
  emitLoadAhead(asm, tile, rcx)
  eachTile(asm, tile, cursor, end, (numQueries, most) => {
    eachDims(asm, tile, most, (numVectors, lastLanes) => {
      const product = openTile(asm, { numQueries, numVectors, stride: tile.queryBytes, lastLanes, isPaired })
      asm.mov(r8, cursor)
      emitDimOffset(asm, isPaired)
      asm.add(r11, rbp)
      emitSums(asm, tile, product, cursor, () => {
        asm.mov(rax, BLOCK_KEYS / UNROLL)
        asm.times(rax, () => {
          emitAhead(asm, tile, rcx, linesBeside(asm, tile, product, UNROLL, AHEAD_SHARE.sums))
          emitSteps(asm, product, UNROLL, rowBytes, tile.scores)
        })
      })
    })
  })
}

/** Emits the same for one query and keys `first` up to `end` of the block. Changes neither, nor `cursor`. */
export function emitRangeSums(asm: Assembler, tile: AttendTile, cursor: Gpr, first: Gpr, end: Gpr): void {
  const { numVectors: most } = TILES[asm.vectorBytes].at(-1)!
  eachDims(asm, tile, most, (numVectors, lastLanes) => {
    const { isPaired, rowBytes } = tile
    const product = openTile(asm, { numQueries: 1, numVectors, stride: 0, lastLanes, isPaired })
    asm.lea(r8, atIndex(cursor, first, 4))
    emitDimOffset(asm, isPaired)
    asm.mov(rax, first)
    asm.imul(rax, rowBytes)
    asm.add(r11, rax)
    asm.add(r11, rbp)
    emitSums(asm, tile, product, cursor, () => {
      asm.mov(rax, end)
      asm.sub(rax, first)
      asm.times(rax, () => emitSteps(asm, product, 1, rowBytes, tile.scores))
    })
  })
}

/** Runs `body` over the queries from `cursor` up to `end`, as many at once as there are; moves `cursor` to `end`. Changes rax. */
function eachTile(
  asm: Assembler,
  { queryBytes }: AttendTile,
  cursor: Gpr,
  end: Gpr,
  body: (numQueries: number, mostVectors: number) => void,
): void {
  for (const { numQueries, numVectors } of TILES[asm.vectorBytes]) {
    const [top, next] = [asm.label(), asm.label()]
    asm.bind(top)
    asm.lea(rax, at(cursor, numQueries * queryBytes))
    asm.cmp(rax, end)
    asm.jumpIf("above", next)
    body(numQueries, numVectors)
    asm.add(cursor, numQueries * queryBytes)
    asm.jump(top)
    asm.bind(next)
  }
}

/** Runs `body` over all dims of a head, `most` vectors at once; r10 = bytes of dims done. */
function eachDims(
  asm: Assembler,
  { headDim }: AttendTile,
  most: number,
  body: (numVectors: number, lastLanes: number) => void,
): void {
  const passDims = most * asm.lanes
  const rest = headDim % passDims
  asm.mov(r10, 0)
  if (headDim >= passDims) {
    const top = asm.label()
    asm.bind(top)
    body(most, asm.lanes)
    asm.add(r10, passDims * 4)
    asm.cmp(r10, (headDim - rest) * 4)
    asm.jumpIf("below", top)
  }
  if (rest > 0) body(Math.ceil(rest / asm.lanes), rest % asm.lanes || asm.lanes)
}

/** Sets r11 to where the dims from r10 on begin in a row of the cache. */
function emitDimOffset(asm: Assembler, isPaired: boolean): void {
  asm.mov(r11, r10)
  if (isPaired) asm.shr(r11, 1)
}

/** Loads the sums of dims from r10 on, lets `body` add to them, and stores them. */
function emitSums(
  asm: Assembler,
  { sums, queryBytes }: AttendTile,
  product: SumTile,
  cursor: Gpr,
  body: () => void,
): void {
  const place = (query: number, vector: number): Mem =>
    atIndex(cursor, r10, 1, sums + query * queryBytes + vector * asm.vectorBytes)
  eachSum(product, (sum, query, vector) => asm.vmovups(sum, place(query, vector)))
  body()
  eachSum(product, (sum, query, vector) => asm.vstoreups(place(query, vector), sum))
}

function eachSum(
  { numQueries, numVectors }: SumTile,
  body: (sum: number, query: number, vector: number) => void,
): void {
  for (let query = 0; query < numQueries; query++) {
    for (let vector = 0; vector < numVectors; vector++) body(query * numVectors + vector, query, vector)
  }
}

/**
 * Emits `count` steps of all sums: `sum[query][vector] += r8[query][disp + step] · r11[step][vector]`; moves r8 and r11 behind them.
 *
 * @param rowBytes from one step's vectors at r11 to the next
 * @param disp     of the factors, from r8
 */
function emitSteps(asm: Assembler, product: SumTile, count: number, rowBytes: number, disp: number): void {
  if (count === 0) return
  const { numQueries, numVectors, stride, last, firstVector, factors, isPaired } = product
  for (let step = 0; step < count; step++) {
    if (isPaired) {
      emitPairStep(asm, product, step, rowBytes, disp)
      continue
    }
    const operands = Array.from({ length: numVectors }, (_, vector): RegisterOrMem => {
      const place = at(r11, step * rowBytes + vector * asm.vectorBytes)
      const isLast = last !== undefined && vector === numVectors - 1
      if (numQueries === 1 && !isLast) return place
      const register = numQueries === 1 ? firstVector : firstVector + vector
      if (isLast) last.load(register, place)
      else asm.vmovups(register, place)
      return register
    })
    for (let query = 0; query < numQueries; query++) {
      const factor = factors[query % factors.length]!
      asm.vbroadcastss(factor, at(r8, disp + query * stride + step * 4))
      for (const [vector, operand] of operands.entries()) asm.vfmadd231ps(query * numVectors + vector, factor, operand)
    }
  }
  asm.add(r8, count * 4)
  asm.add(r11, count * rowBytes)
}
