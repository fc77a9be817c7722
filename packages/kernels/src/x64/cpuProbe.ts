import { Assembler } from "./Assembler.ts"
import { callable, createCodeSpace } from "./executableMemory.ts"
import { at, type Gpr, r8, rax, rbx, rcx, rdi, rdx, rsi } from "./registers.ts"
import { ptr } from "bun:ffi"

/** What `cpuid` answers. */
export interface CpuidRegisters {
  readonly eax: number
  readonly ebx: number
  readonly ecx: number
  readonly edx: number
}

/** Asks the processor and the system what code may use. */
export interface CpuProbe {
  cpuid(leaf: number, subleaf?: number): CpuidRegisters
  /** Returns the low half of XCR0: the register states that the system saves. Only where cpuid says OSXSAVE. */
  xcr0(): number
  /** Asks Linux to let this process use AMX's tiles, and returns whether it does. @see arch_prctl(ARCH_REQ_XCOMP_PERM) */
  permitTiles(): boolean
}

const ARCH_PRCTL = 158
const ARCH_REQ_XCOMP_PERM = 0x1023
const TILE_DATA = 18

/** Runs `body` with a probe of emitted code, which is gone afterwards. @throws ExecutableMemoryError */
export function withCpuProbe<T>(body: (probe: CpuProbe) => T): T {
  const space = createCodeSpace()
  const answer = new Int32Array(4)
  const load = (emit: (asm: Assembler) => void) => callable(space.place(emitProbe(emit)), 3)
  const cpuid = load((asm) => asm.cpuid())
  const xgetbv = load((asm) => asm.xgetbv())
  const permitTiles = load(emitPermitTiles)
  try {
    return body({
      cpuid(leaf, subleaf = 0) {
        cpuid(ptr(answer), leaf, subleaf)
        const [eax, ebx, ecx, edx] = answer as unknown as [number, number, number, number]
        return { eax, ebx, ecx, edx }
      },
      xcr0() {
        xgetbv(ptr(answer), 0, 0)
        return answer[0]!
      },
      permitTiles() {
        permitTiles(ptr(answer), 0, 0)
        return answer[0] === 0
      },
    })
  } finally {
    space.close()
  }
}

/** Emits `(answer, eax, ecx)`: runs an instruction with these registers and stores eax, ebx, ecx and edx. */
function emitProbe(instruction: (asm: Assembler) => void): Uint8Array {
  const asm = new Assembler(32)
  asm.push(rbx)
  asm.mov(r8, rdi)
  asm.mov(rax, rsi)
  asm.mov(rcx, rdx)
  instruction(asm)
  const answers: readonly Gpr[] = [rax, rbx, rcx, rdx]
  for (const [i, register] of answers.entries()) asm.store32(at(r8, i * 4), register)
  asm.pop(rbx)
  asm.ret()
  return asm.finish()
}

function emitPermitTiles(asm: Assembler): void {
  asm.mov(rax, ARCH_PRCTL)
  asm.mov(rdi, ARCH_REQ_XCOMP_PERM)
  asm.mov(rsi, TILE_DATA)
  asm.syscall()
}
