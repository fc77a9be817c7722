import type { CacheFormat } from "../cacheFormat.ts"
import type { VectorBytes } from "./Assembler.ts"

/** The instructions that kernels are written for; each includes what stands below it in this list's spirit, not in its code. */
export interface Isa {
  readonly name: "avx2" | "avx-vnni" | "avx512" | "amx"
  readonly vectorBytes: VectorBytes
  /** Keys and values in pairs, as far apart as a vector has lanes. */
  readonly cacheFormat: Exclude<CacheFormat, "f32">
  /** Has `vpdpbusd`. */
  readonly hasVnni: boolean
  /** Has 8-bit tile products. */
  readonly hasTiles: boolean
}

/** Every instruction set that kernels exist for, best first. */
export const ISAS: readonly Isa[] = [
  { name: "amx", vectorBytes: 64, cacheFormat: "bf16/16", hasVnni: true, hasTiles: true },
  { name: "avx512", vectorBytes: 64, cacheFormat: "bf16/16", hasVnni: true, hasTiles: false },
  { name: "avx-vnni", vectorBytes: 32, cacheFormat: "bf16/8", hasVnni: true, hasTiles: false },
  { name: "avx2", vectorBytes: 32, cacheFormat: "bf16/8", hasVnni: false, hasTiles: false },
]
