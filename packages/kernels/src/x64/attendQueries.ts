/** How a tile's queries come into the scratch memory, and their results out of it. */
import type { Assembler } from "./Assembler.ts"
import { ATTEND } from "./attendArguments.ts"
import type { AttendTile } from "./attendTile.ts"
import { firstLanes } from "./firstLanes.ts"
import { broadcastArgument, loadArgument } from "./kernelAbi.ts"
import { at, r8, r9, r10, r11, rax, rcx, rdx, rsi } from "./registers.ts"

/** Fetches the tile's queries, scaled, in units of log 2, with empty sums. */
export function emitOpenQueries(asm: Assembler, tile: AttendTile): void {
  const { headDim, sums, maximum, total, position } = tile
  const [SCALE, ZERO, LEAST, VALUE, SELECTION] = [0, 1, 2, 3, 4]
  broadcastArgument(asm, SCALE, ATTEND.scale)
  asm.vmulps(SCALE, SCALE, asm.lanesOf(Math.LOG2E))
  asm.vpxor(ZERO, ZERO, ZERO)
  asm.vbroadcastss(LEAST, asm.f32(Number.NEGATIVE_INFINITY))
  const tail = firstLanes(asm, headDim % asm.lanes || asm.lanes, { opmask: 1, vector: SELECTION })
  loadArgument(asm, r11, ATTEND.position)
  eachHead(
    asm,
    tile,
    { rows: ATTEND.queries, stride: ATTEND.queryStride },
    () => {
      for (let dim = 0; dim < headDim; dim += asm.lanes) {
        const part = at(r10, dim * 4)
        if (dim + asm.lanes > headDim) tail.load(VALUE, part)
        else asm.vmovups(VALUE, part)
        asm.vmulps(VALUE, VALUE, SCALE)
        asm.vstoreups(at(rdx, dim * 4), VALUE)
        asm.vstoreups(at(rdx, sums + dim * 4), ZERO)
      }
      asm.vstoress(at(rdx, maximum), LEAST)
      asm.vstoress(at(rdx, total), ZERO)
      asm.store(at(rdx, position), r11)
    },
    () => asm.add(r11, 1),
  )
}

/** Writes the tile's results: sums divided by totals. */
export function emitCloseQueries(asm: Assembler, tile: AttendTile): void {
  const { headDim, sums, total } = tile
  const [TOTAL, VALUE, SELECTION] = [0, 1, 2]
  const tail = firstLanes(asm, headDim % asm.lanes || asm.lanes, { opmask: 1, vector: SELECTION })
  eachHead(asm, tile, { rows: ATTEND.out, stride: ATTEND.outStride }, () => {
    asm.vbroadcastss(TOTAL, at(rdx, total))
    for (let dim = 0; dim < headDim; dim += asm.lanes) {
      asm.vmovups(VALUE, at(rdx, sums + dim * 4))
      asm.vdivps(VALUE, VALUE, TOTAL)
      const part = at(r10, dim * 4)
      if (dim + asm.lanes > headDim) tail.store(part, VALUE)
      else asm.vstoreups(part, VALUE)
    }
  })
}

/** Runs `body` for each query of the tile: rdx = the query, r10 = its head in the rows of the record; `next` behind each position. */
function eachHead(
  asm: Assembler,
  { headDim, queries, queryBytes }: AttendTile,
  { rows, stride }: { readonly rows: number; readonly stride: number },
  body: () => void,
  next: () => void = () => {},
): void {
  asm.lea(rdx, at(rsi, queries))
  loadArgument(asm, r8, rows)
  loadArgument(asm, r9, ATTEND.numPositions)
  asm.times(r9, () => {
    asm.mov(r10, r8)
    loadArgument(asm, rcx, ATTEND.numHeads)
    asm.times(rcx, () => {
      body()
      asm.add(rdx, queryBytes)
      asm.add(r10, headDim * 4)
    })
    loadArgument(asm, rax, stride)
    asm.add(r8, rax)
    next()
  })
}
