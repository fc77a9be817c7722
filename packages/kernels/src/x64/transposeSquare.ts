import type { Assembler } from "./Assembler.ts"

/**
 * Turns a square of f32: registers `0 .. lanes` hold its rows, and column `c` is handed to `take` in some register, in no order.
 *
 * Changes all registers below `2 · lanes`.
 */
export function emitTranspose(asm: Assembler, take: (column: number, register: number) => void): void {
  const { lanes } = asm
  for (let pair = 0; pair < lanes; pair += 2) {
    asm.vunpcklps(lanes + pair, pair, pair + 1)
    asm.vunpckhps(lanes + pair + 1, pair, pair + 1)
  }
  // Register 4q + c: column c of each four, of the rows 4q .. 4q + 3, a 128-bit part for each four columns.
  for (let quad = 0; quad < lanes; quad += 4) {
    const [low, high] = [lanes + quad, lanes + quad + 1]
    asm.vshufps(quad, low, low + 2, 0x44)
    asm.vshufps(quad + 1, low, low + 2, 0xee)
    asm.vshufps(quad + 2, high, high + 2, 0x44)
    asm.vshufps(quad + 3, high, high + 2, 0xee)
  }
  for (let c = 0; c < 4; c++) {
    if (lanes === 16) emitGatherParts(asm, c, take)
    else {
      asm.vperm2f128(8, c, 4 + c, 0x20)
      asm.vperm2f128(9, c, 4 + c, 0x31)
      take(c, 8)
      take(4 + c, 9)
    }
  }
}

/** Gathers the 128-bit parts of columns c, c + 4, c + 8 and c + 12 from registers c, 4 + c, 8 + c and 12 + c. */
function emitGatherParts(asm: Assembler, c: number, take: (column: number, register: number) => void): void {
  const [even, odd] = [0x88, 0xdd]
  asm.vshuff32x4(16, c, 4 + c, even)
  asm.vshuff32x4(17, c, 4 + c, odd)
  asm.vshuff32x4(18, 8 + c, 12 + c, even)
  asm.vshuff32x4(19, 8 + c, 12 + c, odd)
  asm.vshuff32x4(20, 16, 18, even)
  asm.vshuff32x4(21, 16, 18, odd)
  asm.vshuff32x4(22, 17, 19, even)
  asm.vshuff32x4(23, 17, 19, odd)
  take(c, 20)
  take(c + 8, 21)
  take(c + 4, 22)
  take(c + 12, 23)
}
