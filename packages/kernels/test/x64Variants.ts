import type { Arena } from "../src/Arena.ts"
import type { Backend } from "../src/Backend.ts"
import { createX64Backend } from "../src/x64/createX64Backend.ts"
import { type Isa, ISAS } from "../src/x64/Isa.ts"
import { runnableIsas } from "../src/x64/runnableIsas.ts"
import { SOFT_TILE_BYTES, SoftTileAssembler } from "./SoftTileAssembler.ts"

/** A kind of machine code that this machine can run. */
export interface X64Variant {
  readonly name: string
  readonly isa: Isa
  readonly hasSoftTiles: boolean
}

const runnable = runnableIsas()

/** Every instruction set that runs here, and tiles in software where there is AVX-512. None where no machine code runs: that is said. */
export const X64_VARIANTS: readonly X64Variant[] = [
  ...runnable.map((isa) => ({ name: isa.name, isa, hasSoftTiles: false })),
  ...ISAS.filter(({ name }) => name === "amx" && runnable.some((isa) => isa.name === "avx512")).map((isa) => ({
    name: "soft amx",
    isa,
    hasSoftTiles: true,
  })),
]
if (X64_VARIANTS.length === 0) console.log("x64: skipped, this is no Linux on x64 with AVX2")

/** Opens a backend of a variant on `arena`; soft tiles lie there too, aligned to 64 as all spans are, until the arena is closed. */
export function openX64Variant(arena: Arena, { isa, hasSoftTiles }: X64Variant, numThreads: number): Backend {
  if (!hasSoftTiles) return createX64Backend(arena, { isa, numThreads })
  const tiles = arena.address(arena.allocate(SOFT_TILE_BYTES))
  return createX64Backend(arena, { isa, numThreads, createAssembler: () => new SoftTileAssembler(tiles) })
}
