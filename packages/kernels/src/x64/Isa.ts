import type { VectorBytes } from "./Assembler.ts"

/** The instructions that kernels are written for; each includes what stands below it in this list's spirit, not in its code. */
export interface Isa {
  readonly name: "avx2" | "avx-vnni" | "avx512" | "amx"
  readonly vectorBytes: VectorBytes
  /** Has `vpdpbusd`. */
  readonly hasVnni: boolean
  /** Has 8-bit tile products. */
  readonly hasTiles: boolean
}

/** Every instruction set that kernels exist for, best first. */
export const ISAS: readonly Isa[] = [
  { name: "amx", vectorBytes: 64, hasVnni: true, hasTiles: true },
  { name: "avx512", vectorBytes: 64, hasVnni: true, hasTiles: false },
  { name: "avx-vnni", vectorBytes: 32, hasVnni: true, hasTiles: false },
  { name: "avx2", vectorBytes: 32, hasVnni: false, hasTiles: false },
]
