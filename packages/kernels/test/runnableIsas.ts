import { detectCpu } from "../src/x64/detectCpu.ts"
import { type Isa, ISAS } from "../src/x64/Isa.ts"

/** Returns the instruction sets that this machine runs, best first; none where it is no Linux on x64. */
export function runnableIsas(): readonly Isa[] {
  const cpu = process.platform === "linux" ? detectCpu() : undefined
  if (cpu === undefined) return []
  const has: Record<Isa["name"], boolean> = {
    amx: cpu.hasAmxInt8,
    avx512: cpu.hasAvx512,
    "avx-vnni": cpu.hasAvxVnni,
    avx2: cpu.hasAvx2,
  }
  return ISAS.filter(({ name }) => has[name])
}
