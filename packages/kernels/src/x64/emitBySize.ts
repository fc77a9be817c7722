import type { Assembler } from "./Assembler.ts"
import type { Gpr } from "./registers.ts"

/**
 * Emits a loop over `count` rows, `most` at a time and then what is left: one copy of `body` for each number of rows, each written for just that many.
 *
 * Leaves less than `most` in `count`, which `body` must keep.
 */
export function emitBySize(asm: Assembler, count: Gpr, most: number, body: (numRows: number) => void): void {
  const [top, end] = [asm.label(), asm.label()]
  const sizes = Array.from({ length: most }, (_, i) => ({ numRows: most - i, label: asm.label() }))
  asm.bind(top)
  asm.cmp(count, most)
  asm.jumpIf("aboveOrEqual", sizes[0]!.label)
  for (const { numRows, label } of sizes.slice(1)) {
    asm.cmp(count, numRows)
    asm.jumpIf("equal", label)
  }
  asm.jump(end)
  for (const { numRows, label } of sizes) {
    asm.bind(label)
    body(numRows)
    if (numRows < most) asm.jump(end)
    else {
      asm.sub(count, most)
      asm.jump(top)
    }
  }
  asm.bind(end)
}
