import { detectCpu } from "./detectCpu.ts"
import { ExecutableMemoryError } from "./ExecutableMemoryError.ts"
import { type Isa, ISAS } from "./Isa.ts"

/** Returns the instruction sets that this machine runs, best first; none where it is no Linux on x64, or forbids code made at run time. */
export function runnableIsas(): readonly Isa[] {
  const cpu = detectCpuHere()
  if (cpu === undefined) return []
  const has: Record<Isa["name"], boolean> = {
    amx: cpu.hasAmxInt8,
    avx512: cpu.hasAvx512,
    "avx-vnni": cpu.hasAvxVnni,
    avx2: cpu.hasAvx2,
  }
  return ISAS.filter(({ name }) => has[name])
}

/** Returns the best of them. @throws Error where there is none */
export function bestIsa(): Isa {
  const [best] = runnableIsas()
  if (best === undefined)
    throw new Error("x64: expected Linux on x64 with AVX2, found another system or processor: use --backend onnx")
  return best
}

function detectCpuHere() {
  if (process.platform !== "linux") return undefined
  try {
    return detectCpu()
  } catch (error) {
    if (error instanceof ExecutableMemoryError) return undefined
    throw error
  }
}
