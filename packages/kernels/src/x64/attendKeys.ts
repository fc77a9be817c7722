import type { Assembler } from "./Assembler.ts"
import { AHEAD_SHARE, emitAhead, emitKeepAhead, emitLoadAhead, linesBesideSquare } from "./attendAhead.ts"
import { type AttendTile, BLOCK_KEYS } from "./attendTile.ts"
import { firstLanes } from "./firstLanes.ts"
import { upperHalves } from "./pairs.ts"
import { at, type Gpr, r8, r9, r11, r12, rax, rbp, rcx, rdx, rsi } from "./registers.ts"
import { emitTranspose } from "./transposeSquare.ts"
import { loadTail, selectTail, storeTail } from "./vectorMath.ts"

/**
 * Emits the turn of a block of keys `[n, headDim]` at r8 into the tile's `keys [headDim, BLOCK_KEYS]`, so that lanes are keys.
 *
 * Only the `numKeys` (r10) keys that there are, 1 or more, are read: the columns of others hold keys that were last before, or zeros. No other memory
 * is read, and what they hold is never seen, but it must be numbers: tiny ones of another kernel's bytes would be slow. Changes all registers but rdi,
 * rsi, rbx, r13 .. r15.
 *
 * @see emitClearLastKeys
 */
export function emitTransposeKeys(asm: Assembler, tile: AttendTile, numKeys: Gpr): void {
  const { headDim, rowBytes, isPaired, keys, lastKeys } = tile
  const { lanes, vectorBytes } = asm
  const squareDims = isPaired ? 2 * lanes : lanes
  emitLoadAhead(asm, tile, r12)
  asm.lea(r9, at(rsi, keys))
  asm.mov(r11, BLOCK_KEYS / lanes)
  asm.times(r11, () => {
    const isWhole = asm.label()
    asm.cmp(numKeys, lanes)
    asm.jumpIf("greaterOrEqual", isWhole)
    emitCopyLastKeys(asm, tile, numKeys)
    asm.lea(r8, at(rsi, lastKeys))
    asm.bind(isWhole)
    asm.mov(rdx, r8)
    asm.mov(rbp, r9)
    asm.mov(rcx, Math.floor(headDim / squareDims))
    asm.times(rcx, () => {
      if (isPaired) emitPairSquare(asm, tile)
      else emitSquare(asm, tile, lanes)
      asm.add(rdx, vectorBytes)
      asm.add(rbp, squareDims * BLOCK_KEYS * 4)
    })
    if (headDim % squareDims > 0) emitSquare(asm, tile, headDim % squareDims)
    asm.add(r8, lanes * rowBytes)
    asm.add(r9, vectorBytes)
    asm.sub(numKeys, lanes)
  })
  emitKeepAhead(asm, tile, r12)
}

/** Makes the room for last keys zeros: there must be numbers. */
export function emitClearLastKeys(asm: Assembler, { headDim, lastKeys }: AttendTile): void {
  asm.vpxor(0, 0, 0)
  asm.lea(r8, at(rsi, lastKeys))
  // As many vectors as a key has values.
  asm.mov(rcx, headDim)
  asm.times(rcx, () => {
    asm.vstoreups(at(r8), 0)
    asm.add(r8, asm.vectorBytes)
  })
}

/** Turns `numDims` values of as many keys as there are lanes, from rdx on, into rows from rbp on. */
function emitSquare(asm: Assembler, tile: AttendTile, numDims: number): void {
  const row = firstLanes(asm, numDims, { opmask: 1, vector: asm.lanes })
  for (let key = 0; key < asm.lanes; key++) row.load(key, at(rdx, key * tile.rowBytes))
  emitAhead(asm, tile, r12, linesBesideSquare(asm, AHEAD_SHARE.turning))
  emitTranspose(asm, (dim, register) => {
    if (dim < numDims) asm.vstoreups(at(rbp, dim * BLOCK_KEYS * 4), register)
  })
}

/** Turns a square of words, which is two of values: one lies a vector's lanes behind the other. */
function emitPairSquare(asm: Assembler, tile: AttendTile): void {
  const { lanes } = asm
  // Neither is touched by the turn once it hands columns out.
  const spare = lanes === 16 ? 24 : 10
  for (let key = 0; key < lanes; key++) asm.vmovups(key, at(rdx, key * tile.rowBytes))
  emitAhead(asm, tile, r12, linesBesideSquare(asm, AHEAD_SHARE.turning))
  emitTranspose(asm, (dim, register) => {
    asm.vpslld(spare, register, 16)
    asm.vstoreups(at(rbp, dim * BLOCK_KEYS * 4), spare)
    asm.vpand(register, register, upperHalves(asm))
    asm.vstoreups(at(rbp, (lanes + dim) * BLOCK_KEYS * 4), register)
  })
}

/** Copies the last keys, 0 or less to `lanes - 1`, from r8 to where there is room for more. */
function emitCopyLastKeys(asm: Assembler, { rowBytes, lastKeys }: AttendTile, numKeys: Gpr): void {
  const end = asm.label()
  const tail = { opmask: 1, vector: 1 }
  asm.mov(rax, numKeys)
  asm.imul(rax, rowBytes / 4)
  asm.lea(rdx, at(rsi, lastKeys))
  asm.mov(rcx, rax)
  asm.test(rcx, rcx)
  asm.jumpIf("lessOrEqual", end)
  asm.shr(rcx, Math.log2(asm.lanes))
  asm.times(rcx, () => {
    asm.vmovups(0, at(r8))
    asm.vstoreups(at(rdx), 0)
    asm.add(r8, asm.vectorBytes)
    asm.add(rdx, asm.vectorBytes)
  })
  asm.and(rax, asm.lanes - 1)
  selectTail(asm, rax, tail)
  loadTail(asm, 0, at(r8), tail)
  storeTail(asm, at(rdx), 0, tail)
  asm.bind(end)
}
