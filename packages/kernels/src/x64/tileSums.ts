/**
 * Sums of up to 32 rows by AMX: tiles 0–3 are the sums (two runs of 16 rows × two groups), 4 and 5 rows of x, 6 and 7 weights of 64 columns.
 *
 * r8 and r13 walk the two runs of rows (rbp apart), r11 and r9 the two groups' weights; rcx = 64, the distance of a weight tile's rows.
 *
 * @see Intel SDM vol. 1, §18 (AMX)
 */
import type { Assembler } from "./Assembler.ts"
import {
  BLOCK_LINES,
  BLOCK_PARAMETER_BYTES,
  emitBlockParameters,
  emitExpandLine,
  emitNibbleMask,
  LINE_COLUMNS,
} from "./expandInt4.ts"
import { LINE_BYTES } from "./ProductTile.ts"
import { at, atIndex, type Gpr, r8, r9, r10, r11, r13, r14, r15, rax, rbp, rcx, rdx, rsi } from "./registers.ts"

/** Rows of a tile, and of x that one pass takes. */
export const TILE_ROWS = 16
export const PASS_ROWS = 2 * TILE_ROWS
/** Bytes of a tile: 16 rows of 64. */
const TILE_BYTES = 1024
/** Columns of a pass through the weights' tiles. */
const TILE_COLUMNS = 64
/** Bytes of the pair's weights of 64 columns in 8 bits. */
const STEP_BYTES = 2 * TILE_BYTES
/** Bytes of the same in 4 bits, parameters included, and the lines that hold them. */
const NEXT_BYTES = 2 * ((TILE_COLUMNS / LINE_COLUMNS) * LINE_BYTES + BLOCK_PARAMETER_BYTES)
const NEXT_LINES = Math.ceil(NEXT_BYTES / LINE_BYTES)

/** Emits the configuration for `rows` (1..32) rows of x, and changes rax. Sums are undefined until `clearTiles`. */
export function emitTileConfig(asm: Assembler, rows: Gpr): void {
  const table = new Uint8Array((PASS_ROWS + 1) * 64)
  for (let numRows = 1; numRows <= PASS_ROWS; numRows++) {
    const config = table.subarray(numRows * 64, (numRows + 1) * 64)
    config[0] = 1
    for (let tile = 0; tile < 8; tile++) {
      const isWeights = tile >= 6
      const isFirstRun = tile === 0 || tile === 1 || tile === 4
      config[16 + tile * 2] = 64
      config[48 + tile] = isWeights
        ? TILE_ROWS
        : isFirstRun
          ? Math.min(numRows, TILE_ROWS)
          : Math.max(1, numRows - TILE_ROWS)
    }
  }
  asm.lea(rax, asm.constant(table))
  asm.push(rows)
  asm.shl(rows, 6)
  asm.add(rax, rows)
  asm.pop(rows)
  asm.ldtilecfg(at(rax))
}

/**
 * Emits sums of 8-bit weights at r11, r9 for one run of rows or two; r15 = K / 64.
 *
 * The next pair is asked for meanwhile, spread between the products: a burst would fill the core's line buffers. In 4 bits, where these are expanded ones,
 * rsi walks it.
 */
export function emitTileInt8Sums(asm: Assembler, runs: 1 | 2, next: "int8" | "int4"): void {
  clearTiles(asm, runs)
  asm.times(r15, () => {
    emitProducts(asm, runs, { first: r11, second: r9, disp: 0 }, (product, numProducts) => {
      const numLines = next === "int4" ? NEXT_LINES : TILE_BYTES / LINE_BYTES
      for (let line = product; line < numLines; line += numProducts) {
        if (next === "int4") asm.prefetcht1(at(rsi, line * LINE_BYTES))
        else for (const group of [r11, r9]) asm.prefetcht1(atIndex(group, r14, 2, line * LINE_BYTES))
      }
    })
    if (next === "int4") asm.add(rsi, NEXT_BYTES)
    asm.add(r11, TILE_BYTES)
    asm.add(r9, TILE_BYTES)
  })
}

/**
 * Emits sums of 4-bit weights at r11 (parameters r10; r14 behind both is the second group's), which are expanded 64 columns ahead of their use into two
 * buffers that take turns: a tile load waits until the stores it reads have left the store buffer, and stays fast only from L1.
 *
 * r9 = the first buffer, r15 = K / 64, rsi = the next pair, which is asked for meanwhile; changes rdx, rax, rsi.
 */
export function emitTileInt4Sums(asm: Assembler, runs: 1 | 2): void {
  clearTiles(asm, runs)
  emitNibbleMask(asm, 2)
  asm.lea(rdx, at(r9, STEP_BYTES))
  emitExpandStep(asm)
  asm.sub(r15, 1)
  const use = (): void => emitProducts(asm, runs, { first: rdx, second: rdx, disp: TILE_BYTES }, () => {})
  const swap = (): void => {
    asm.mov(rax, r9)
    asm.mov(r9, rdx)
    asm.mov(rdx, rax)
  }
  asm.times(r15, () => {
    swap()
    emitExpandStep(asm)
    use()
  })
  swap()
  use()
}

/** Expands the pair's next 64 columns to r9: a tile of each group. Asks for as much of the next pair. */
function emitExpandStep(asm: Assembler): void {
  let asked = 0
  const [low, high, nibbles] = [0, 1, 2]
  const parameters = { multiplier: 3, offset: 4 }
  for (const group of [undefined, r14]) {
    const tile = group === undefined ? 0 : TILE_BYTES
    for (const block of [0, 1] as const) {
      emitBlockParameters(asm, parameters, { parameters: r10, group, block, half: 0 })
      for (let l = 0; l < BLOCK_LINES; l++) {
        const line = block * BLOCK_LINES + l
        const from = (disp: number) => (group === undefined ? at(r11, disp) : atIndex(r11, group, 1, disp))
        asm.prefetcht1(at(rsi, asked++ * LINE_BYTES))
        asm.vmovups(low, from(line * LINE_BYTES))
        emitExpandLine(asm, low, high, nibbles, parameters)
        asm.vstoreups(at(r9, tile + line * 2 * LINE_BYTES), low)
        asm.vstoreups(at(r9, tile + (line * 2 + 1) * LINE_BYTES), high)
      }
    }
  }
  for (; asked < NEXT_LINES; asked++) asm.prefetcht1(at(rsi, asked * LINE_BYTES))
  asm.add(rsi, NEXT_BYTES)
  asm.add(r11, (TILE_COLUMNS / LINE_COLUMNS) * LINE_BYTES)
  asm.add(r10, BLOCK_PARAMETER_BYTES)
}

/** One step of 64 columns: each weight tile meets each run of rows. x moves on. */
function emitProducts(
  asm: Assembler,
  runs: 1 | 2,
  weights: { readonly first: Gpr; readonly second: Gpr; readonly disp: number },
  between: (product: number, numProducts: number) => void,
): void {
  const numProducts = 2 * runs
  asm.tileloadd(6, weights.first, rcx)
  asm.tileloadd(4, r8, rbp)
  asm.tdpbsud(0, 4, 6)
  between(0, numProducts)
  asm.tileloadd(7, weights.second, rcx, weights.disp)
  asm.tdpbsud(1, 4, 7)
  between(1, numProducts)
  if (runs === 2) {
    asm.tileloadd(5, r13, rbp)
    asm.tdpbsud(2, 5, 6)
    between(2, numProducts)
    asm.tdpbsud(3, 5, 7)
    between(3, numProducts)
    asm.add(r13, TILE_COLUMNS)
  }
  asm.add(r8, TILE_COLUMNS)
}

function clearTiles(asm: Assembler, runs: 1 | 2): void {
  for (let tile = 0; tile < 2 * runs; tile++) asm.tilezero(tile)
}

/** Emits stores of the sums to `to`: int32 `[rows][2][16]`, a row's two groups side by side. Changes rcx. */
export function emitTileStores(asm: Assembler, runs: 1 | 2, to: Gpr): void {
  const rowBytes = 2 * LINE_BYTES
  asm.mov(rcx, rowBytes)
  for (let run = 0; run < runs; run++) {
    for (const group of [0, 1])
      asm.tilestored(to, rcx, 2 * run + group, run * TILE_ROWS * rowBytes + group * LINE_BYTES)
  }
}
