/** Kernels that do nothing but reach a limit of the machine: memory read, 8-bit products, f32 products. */
import { Assembler } from "./Assembler.ts"
import { emitDot } from "./dotProduct.ts"
import type { Isa } from "./Isa.ts"
import { addressArgument, emitKernel, loadArgument } from "./kernelAbi.ts"
import { at, r8, rax, rcx } from "./registers.ts"
import { emitTileConfig, TILE_ROWS } from "./tileSums.ts"

/** Arguments: `from` and `bytes`, a multiple of `READ_STEP_BYTES`, of what is read; or how many `turns` a product loop takes. */
export const LIMIT = { from: 1, bytes: 2, turns: 1 } as const

const READ_STEP_BYTES = 1024
/** How far ahead of a read memory is asked for. */
const PREFETCH_BYTES = 4096
/** Independent sums: as many as hide the latency of a product on every processor. */
const NUM_SUMS = 12

/** Emits a read of memory, in order. */
export function emitReadMemory({ vectorBytes }: Isa): Uint8Array {
  const asm = new Assembler(vectorBytes)
  emitKernel(asm, () => {
    addressArgument(asm, r8, LIMIT.from)
    loadArgument(asm, rax, LIMIT.bytes)
    asm.shr(rax, Math.log2(READ_STEP_BYTES))
    asm.times(rax, () => {
      for (let byte = 0; byte < READ_STEP_BYTES; byte += vectorBytes) {
        if (byte % 64 === 0) asm.prefetcht0(at(r8, byte + PREFETCH_BYTES))
        asm.vpaddd((byte / vectorBytes) % 4, (byte / vectorBytes) % 4, at(r8, byte))
      }
      asm.add(r8, READ_STEP_BYTES)
    })
  })
  return asm.finish()
}

/** A loop of products, and the operations (a multiplication or an addition each) of one turn. */
export interface ProductLoop {
  readonly code: Uint8Array
  readonly opsPerTurn: number
}

/** Emits 8-bit products from registers, by tiles where there are any. */
export function emitInt8Loop(isa: Isa): ProductLoop {
  const asm = new Assembler(isa.vectorBytes)
  if (isa.hasTiles) return { code: emitTileLoop(asm), opsPerTurn: 4 * TILE_ROWS * TILE_ROWS * 64 * 2 }
  const numSums = isa.vectorBytes === 64 ? NUM_SUMS : 8
  emitKernel(asm, () => {
    loadArgument(asm, rax, LIMIT.turns)
    asm.times(rax, () => {
      for (let sum = 0; sum < numSums; sum++) emitDot(asm, isa, sum, numSums, numSums + 1, [numSums + 2, numSums + 3])
    })
  })
  return { code: asm.finish(), opsPerTurn: numSums * isa.vectorBytes * 2 }
}

/** Emits f32 products from registers. */
export function emitF32Loop({ vectorBytes }: Isa): ProductLoop {
  const asm = new Assembler(vectorBytes)
  emitKernel(asm, () => {
    loadArgument(asm, rax, LIMIT.turns)
    for (let sum = 0; sum < NUM_SUMS + 2; sum++) asm.vpxor(sum, sum, sum)
    asm.times(rax, () => {
      for (let sum = 0; sum < NUM_SUMS; sum++) asm.vfmadd231ps(sum, NUM_SUMS, NUM_SUMS + 1)
    })
  })
  return { code: asm.finish(), opsPerTurn: NUM_SUMS * asm.lanes * 2 }
}

function emitTileLoop(asm: Assembler): Uint8Array {
  emitKernel(asm, () => {
    asm.mov(rcx, 2 * TILE_ROWS)
    emitTileConfig(asm, rcx)
    loadArgument(asm, rcx, LIMIT.turns)
    asm.times(rcx, () => {
      asm.tdpbsud(0, 4, 6)
      asm.tdpbsud(1, 4, 7)
      asm.tdpbsud(2, 5, 6)
      asm.tdpbsud(3, 5, 7)
    })
    asm.tilerelease()
  })
  return asm.finish()
}
